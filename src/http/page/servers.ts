// The servers with their roles, who serves which slots, and which of several endpoints is used.

import type { EndpointView, Frame } from '../dashboard/messages.js';
import { byId, element, fillList, setClass, setText } from './dom.js';
import { duration, whole } from './format.js';

const SLOTS = 16_384;
const STATES = { ready: 'ready', empty: 'not needed yet', down: 'away' } as const;
/** A new role or state is lit up for so long, ms. */
const LIT_MS = 6000;
/** Colours of the slots' owners, in turn. */
const SHADES = 6;
const HEADINGS = ['Server', 'Role', 'State', 'Slots', 'Open', 'In use', 'In flight', 'Waiting'];

const rows = element('tbody');
// A wide table is scrolled with the keyboard too.
byId('servers').tabIndex = 0;
byId('servers').append(
  element(
    'table',
    '',
    element('thead', '', element('tr', '', ...HEADINGS.map((text) => headingOf(text)))),
    rows,
  ),
);
/** When each server was last seen to change, and as what. */
const seen = new Map<string, { readonly as: string; readonly changedAt: number }>();

export function showServers({ endpoints, failover }: Frame): void {
  const sorted = [...endpoints].sort(
    (one, other) =>
      (one.slots?.[0]?.[0] ?? 0) - (other.slots?.[0]?.[0] ?? 0) ||
      one.role.localeCompare(other.role) ||
      one.address.localeCompare(other.address),
  );
  fillList(rows, sorted, () => element('tr', '', ...HEADINGS.map(() => element('td'))), fillServer);
  showSlots(sorted.filter(({ role, slots }) => role === 'primary' && slots !== undefined));
  showFailover(failover);
}

function headingOf(text: string): HTMLElement {
  const heading = element('th', '', text);
  heading.scope = 'col';
  return heading;
}

function fillServer(row: HTMLTableRowElement, endpoint: EndpointView): void {
  const { address, role, zone, state, slots, open, inUse, inFlight, waiting } = endpoint;
  const now = performance.now();
  const as = `${role} ${state === 'down'}`;
  const known = seen.get(address);
  if (known?.as !== as) seen.set(address, { as, changedAt: known === undefined ? -LIT_MS : now });
  const isLit = now - seen.get(address)!.changedAt < LIT_MS;
  setClass(row, `${state}${isLit ? ' lit' : ''}`);
  const texts = [
    zone === undefined ? address : `${address} (${zone})`,
    role,
    STATES[state],
    slots === undefined ? '–' : slotsText(slots),
    whole(open),
    whole(inUse),
    whole(inFlight),
    whole(waiting),
  ];
  for (const [index, text] of texts.entries()) setText(row.children[index] as HTMLElement, text);
}

function slotsText(slots: NonNullable<EndpointView['slots']>): string {
  if (slots.length === 0) return 'none';
  const [first, ...rest] = slots.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`));
  return rest.length === 0 ? first! : `${first} and ${rest.length} more`;
}

function showSlots(primaries: readonly EndpointView[]): void {
  const strip = byId('slots');
  strip.hidden = primaries.length === 0;
  if (strip.hidden) return;
  const spans = primaries
    .flatMap(({ address, slots }, owner) => slots!.map((span) => ({ address, owner, span })))
    .sort((one, other) => one.span[0] - other.span[0]);
  fillList(
    strip,
    spans,
    () => element('i'),
    (part, { address, owner, span: [from, to] }) => {
      setClass(part, `shade-${owner % SHADES}`);
      part.style.left = `${(from / SLOTS) * 100}%`;
      part.style.width = `${((to + 1 - from) / SLOTS) * 100}%`;
      part.title = `${from}–${to}: ${address}`;
    },
  );
  const covered = spans.reduce((sum, { span: [from, to] }) => sum + to + 1 - from, 0);
  const owners = `${primaries.length} ${primaries.length === 1 ? 'primary' : 'primaries'}`;
  strip.setAttribute('aria-label', `${whole(covered)} of ${whole(SLOTS)} slots have ${owners}`);
}

function showFailover(failover: Frame['failover']): void {
  byId('failover').hidden = failover === undefined;
  if (failover === undefined) return;
  fillList(
    byId('choices'),
    failover.endpoints,
    () => element('li', '', element('b'), element('span')),
    (item, { id, address, weight, state, isActive }) => {
      setClass(item, `${state}${isActive ? ' active' : ''}`);
      setText(item.children[0] as HTMLElement, isActive ? `${id}, in use` : id);
      setText(item.children[1] as HTMLElement, `${address} · weight ${weight} · ${state}`);
    },
  );
  const { lastSwitch } = failover;
  const text =
    lastSwitch === undefined
      ? 'Never switched.'
      : `Last switched ${duration(lastSwitch.agoMs)} ago, from ${lastSwitch.from} to ${lastSwitch.to}: ${lastSwitch.reason}.`;
  setText(byId('switched'), text);
}
