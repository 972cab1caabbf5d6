// A plain pipeline over several servers. Its commands are put in groups by slot, in their order, and
// each group goes out as one; what is cut by slots puts a part in each group. So all that concerns
// a key is done in order. What has no key, or is for all servers, is in no order with the rest.
//
//   GET a, SET b, MGET a b --> slot of a: GET a, MGET a --> [x, [x]]  --+--> x, OK, [x, y]
//                          --> slot of b: SET b, MGET b --> [OK, [y]] --+

import { type CommandRoute, routeOf } from '../../base/route.js';
import type { CommandPart } from '../../errors.js';
import type { CommandEncoder } from '../../wire/encoder.js';
import { ErrorReply } from '../../wire/protocol.js';
import type { RoutedClass } from '../catalog.js';
import type { CommandContext } from '../context.js';
import { type QueuedReply, transformed } from '../kind.js';
import { commonAccess, type Member, runGroup } from './group.js';
import { foldOutcomes, type Outcome, type Part, partialFailure } from './parts.js';
import { keysOf, probeOf, type Slots, slotsOf } from './slots.js';
import { isSpread, partsBySlot, spread } from './spread.js';

/** A command of a pipeline or a transaction, with where it belongs. */
export interface PlacedCommand extends QueuedReply {
  readonly encoder: CommandEncoder;
  readonly commandClass: RoutedClass;
  readonly slots: Slots;
}

export function placedCommand(
  encoder: CommandEncoder,
  commandClass: RoutedClass,
  { transforms, preserve }: QueuedReply,
): PlacedCommand {
  const slots = slotsOf(encoder, commandClass);
  return { encoder, commandClass, slots, transforms, preserve };
}

/** The first whose keys lie in several slots without that it can be cut by them. */
export function firstCrossing(commands: readonly PlacedCommand[]): PlacedCommand | undefined {
  return commands.find(
    ({ commandClass, slots }) => slots === 'several' && !isSpread(commandClass.routing, slots),
  );
}

/** Of all together, as for a transaction; `undefined`: their keys lie in several slots. */
export function commonRoute(commands: readonly PlacedCommand[]): CommandRoute | undefined {
  const slots = new Set(commands.flatMap((command) => command.slots ?? []));
  const [slot] = slots;
  if (slots.size > 1 || slot === 'several') return undefined;
  return routeOf(slot, commonAccess(commands.map(({ commandClass }) => commandClass)));
}

/** @throws ErrorReply, the first that came, as on one server; PoolError */
export async function runPipeline(
  context: CommandContext,
  commands: readonly PlacedCommand[],
): Promise<unknown[]> {
  const run = new PipelineRun(context);
  const outcomes = await run.of(commands);
  const failed = outcomes.findIndex((outcome) => 'error' in outcome);
  if (failed !== -1) throw failureOf(commands, outcomes);
  return outcomes.map((outcome, index) => {
    const { value, protocol } = (outcome as { raw: { value: unknown; protocol: 'resp3' } }).raw;
    return transformed(value, commands[index] as PlacedCommand, protocol, context.replyTypes);
  });
}

interface Group {
  readonly members: Member[];
  outcomes: readonly Outcome[];
}

class PipelineRun {
  readonly #context: CommandContext;
  readonly #groups = new Map<number | undefined, Group>();

  constructor(context: CommandContext) {
    this.#context = context;
  }

  async of(commands: readonly PlacedCommand[]): Promise<Outcome[]> {
    const gathering = commands.map((command) => this.#place(command));
    await Promise.all(
      Array.from(this.#groups, async ([slot, group]) => {
        group.outcomes = await runGroup(this.#context, slot, group.members);
      }),
    );
    return Promise.all(gathering.map((gather) => gather()));
  }

  /** Returns what gives its outcome once the groups have run. */
  #place(command: PlacedCommand): () => Outcome | Promise<Outcome> {
    const { encoder, commandClass, slots } = command;
    if (!isSpread(commandClass.routing, slots)) {
      return this.#add(slots as number | undefined, memberOf(command));
    }
    if (commandClass.routing.spread !== 'slots') {
      const outcome = settled(spread(this.#context, encoder, commandClass));
      return () => outcome;
    }
    const parts = partsBySlot(encoder.redisArgs, commandClass);
    const gathers = parts.map((part) =>
      this.#add(part.route.slot, { ...part, commandClass, probe: undefined }),
    );
    return () =>
      this.#gathered(
        commandClass,
        parts,
        gathers.map((gather) => gather()),
      );
  }

  #add(slot: number | undefined, member: Member): () => Outcome {
    let group = this.#groups.get(slot);
    if (group === undefined) {
      group = { members: [], outcomes: [] };
      this.#groups.set(slot, group);
    }
    const { members } = group;
    const index = members.push(member) - 1;
    return () => group.outcomes[index] as Outcome;
  }

  #gathered(
    commandClass: RoutedClass,
    parts: readonly Part[],
    outcomes: readonly Outcome[],
  ): Outcome {
    try {
      return { raw: foldOutcomes(commandClass, parts, outcomes, this.#context.replyTypes) };
    } catch (error) {
      return { error };
    }
  }
}

function memberOf({ encoder, commandClass }: PlacedCommand): Member {
  return {
    commandClass,
    payload: encoder.payload(),
    ascii: encoder.ascii,
    keys: keysOf(encoder, commandClass),
    probe: commandClass.mayMakeUpErrors ? probeOf(encoder, commandClass) : undefined,
  };
}

function settled(run: Promise<{ value: unknown; protocol: 'resp3' | 'resp2' }>): Promise<Outcome> {
  return run.then(
    (raw) => ({ raw }),
    (error: unknown) => ({ error }),
  );
}

/** Where servers refused some of it, the first refusal; where a part was lost, what became of all. */
function failureOf(commands: readonly PlacedCommand[], outcomes: readonly Outcome[]): unknown {
  const done: CommandPart[] = [];
  const failed: CommandPart[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    const { encoder, commandClass } = commands[index] as PlacedCommand;
    const part = { keys: keysOf(encoder, commandClass) as (string | Buffer)[] };
    if ('error' in outcome) failed.push({ ...part, error: outcome.error });
    else done.push(part);
  }
  const lost = failed.filter(({ error }) => !(error instanceof ErrorReply));
  if (lost.length === 0) return failed[0]?.error;
  const isHarmless = commands.every(({ commandClass }) => commandClass.retryClass === 'read');
  return isHarmless ? lost[0]?.error : partialFailure('PIPELINE', done, failed);
}
