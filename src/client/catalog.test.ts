// What becomes of every command that the table and the definitions of @redis/client know. The list
// is kept in a file beside this one: when the version is raised, its changes are there to be
// reviewed, above all what is new among the reads, which are sent again without asking anybody.
// `npx vitest run -u src/client/catalog.test.ts` writes it anew.

import { describe, expect, test } from 'vitest';
import type { CommandClass } from '../policy/command-class.js';
import { CommandEncoder } from '../wire/encoder.js';
import { COMMAND_DEFINITIONS, COMMAND_METADATA, type CommandDefinition } from '../wire/protocol.js';
import { classOfDefinition, classOfWords } from './catalog.js';

interface Listed {
  readonly name: string;
  readonly commandClass: CommandClass;
}

interface TableEntry {
  readonly subcommands?: Readonly<Record<string, unknown>>;
}

/** Every name of the table, with each subcommand; the class is that of the words. */
function wordsOfTable(): Listed[] {
  const listed: Listed[] = [];
  for (const [module, commands] of Object.entries(COMMAND_METADATA)) {
    for (const [command, entry] of Object.entries(commands as Record<string, TableEntry>)) {
      const name = module === 'std' ? command : `${module}.${command}`;
      for (const word of [undefined, ...Object.keys(entry.subcommands ?? {})]) {
        const commandClass = classOfWords(name, word);
        listed.push({ name: commandClass.name, commandClass });
      }
    }
  }
  return listed;
}

/** What a definition changes in the class of its words: all that it has to say is that it reads. */
function readsByDefinition(): string[] {
  const names = Object.entries(COMMAND_DEFINITIONS as Record<string, CommandDefinition>)
    .filter(([name, { IS_READ_ONLY }]) => name === name.toUpperCase() && IS_READ_ONLY === true)
    .map(([name]) => name.split('_') as [string, string | undefined])
    .filter(([name, word]) => {
      const byWords = classOfDefinition(name, word, false);
      return byWords.retryClass !== classOfDefinition(name, word, true).retryClass;
    })
    .map(([name, word]) => classOfDefinition(name, word, true).name);
  return [...new Set(names)].sort();
}

function namesWhere(holds: (commandClass: CommandClass) => boolean): string[] {
  const names = wordsOfTable().filter(({ commandClass }) => holds(commandClass));
  return [...new Set(names.map(({ name }) => name))].sort();
}

function section(title: string, names: readonly string[]): string {
  return `# ${title}\n${names.join('\n')}\n`;
}

test('the class of each command of the table is as it was reviewed', async () => {
  const sections = [
    section(
      'sent again when its connection is lost, as it only reads',
      namesWhere(({ retryClass }) => retryClass === 'read'),
    ),
    section('the same, by the word of its definition', readsByDefinition()),
    section(
      'never sent again',
      namesWhere(({ retryClass }) => retryClass === 'once'),
    ),
    section(
      'only on a lease',
      namesWhere(({ need }) => need === 'lease'),
    ),
    section(
      'refused, as nobody could match its replies',
      namesWhere(({ need }) => need === 'never'),
    ),
    section(
      'its errors may be those of a script or a module',
      namesWhere(({ mayMakeUpErrors }) => mayMakeUpErrors),
    ),
    section(
      'blocks',
      namesWhere(({ mayBlock }) => mayBlock),
    ),
    section(
      'neither read nor known to write: as a write',
      namesWhere(({ retryClass }) => retryClass === 'unknown'),
    ),
  ];
  await expect(sections.join('\n')).toMatchFileSnapshot('./command-classes.txt');
});

describe('the class of words', () => {
  const spellings: (readonly (string | Uint8Array)[])[] = [
    ['CLIENT', 'REPLY'],
    ['client', 'reply'],
    ['Client', Buffer.from('Reply')],
    [Buffer.from('CLIENT'), 'REPLY'],
    [new TextEncoder().encode('client'), new TextEncoder().encode('reply')],
  ];

  test.each(spellings)('%s %s is found in any spelling', (...words) => {
    const encoder = new CommandEncoder();
    for (const word of [...words, 'OFF']) encoder.push(word as Buffer);
    expect(classOfWords(encoder.name, encoder.subcommand)).toMatchObject({
      name: 'CLIENT REPLY',
      need: 'never',
    });
  });

  test('takes no key for a subcommand, be it named as what every object has', () => {
    for (const key of ['constructor', '__proto__', 'reply', 'kill']) {
      expect(classOfWords('SUBSCRIBE', key)).toMatchObject({ name: 'SUBSCRIBE', need: 'never' });
      expect(classOfWords('WATCH', key)).toMatchObject({ name: 'WATCH', need: 'lease' });
      expect(classOfWords('GET', key).name).toBe('GET');
    }
  });

  test('knows subcommands that change a connection on servers of another table', () => {
    expect(classOfWords('client', 'capa')).toMatchObject({ name: 'CLIENT CAPA', need: 'lease' });
    expect(classOfWords('CLIENT', 'IMPORT-SOURCE').need).toBe('lease');
    expect(classOfWords('CLIENT', 'SOMETHING')).toMatchObject({ name: 'CLIENT', need: 'any' });
  });
});
