// What a run found, for the terminal and for docs/ecosystem.md.

const CLIENT_TITLES = { 'node-redis': 'node-redis', plimsoll: 'Plimsoll' };

const passedOf = (outcomes) => outcomes.filter(({ problem }) => !problem).length;

function failuresOf({ results }) {
  return Object.entries(results).flatMap(([client, outcomes]) =>
    outcomes
      .filter(({ problem }) => problem)
      .map(({ title, problem }) => `${CLIENT_TITLES[client]}, ${title}: ${problem}`),
  );
}

function resultText(outcomes) {
  const passed = passedOf(outcomes);
  return `${passed === outcomes.length ? 'PASS' : 'FAIL'}, ${passed} of ${outcomes.length}`;
}

export function toText(row) {
  const { packages, versions, results, hasPassed } = row;
  const counts = Object.entries(results).map(
    ([client, outcomes]) => `${CLIENT_TITLES[client]} ${passedOf(outcomes)}/${outcomes.length}`,
  );
  const line = `${hasPassed ? 'PASS' : 'FAIL'} ${packages[0]} ${versions[0]}: ${counts.join(', ')}`;
  return [line, ...failuresOf(row).map((text) => `     ${text}`)].join('\n');
}

export function toMarkdown({ startedAt, machine, versions, rows }) {
  const verdict = rows.every(({ hasPassed }) => hasPassed) ? 'PASS' : 'FAIL';
  const failures = rows.flatMap((row) =>
    failuresOf(row).map((text) => `- ${row.packages[0]}: ${text}`),
  );
  const parts = [
    '# Libraries that take a node-redis client',
    `**${verdict}** · \`npm run test:ecosystem -- --docs\` · ${startedAt}`,
    `${machine}; ${versions}. Written by that command, which installs the libraries from npm and runs the ` +
      'same checks on a client of node-redis and on `pool.client`, each library and client in a process of ' +
      'its own with a private server. An error that reaches nobody (an unhandled rejection) fails a check ' +
      'as a wrong answer does.',
    ...(failures.length === 0 ? [] : [['Failed:', '', ...failures].join('\n')]),
    table(
      ['library', 'version', 'what was run', ...Object.values(CLIENT_TITLES)],
      rows.map(
        ({ packages: [name, ...others], versions: [version, ...theirs], titles, results }) => [
          [`\`${name}\``, ...others.map((other, index) => `${other} ${theirs[index]}`)].join(', '),
          version,
          titles.join('; '),
          ...Object.keys(CLIENT_TITLES).map((client) => resultText(results[client])),
        ],
      ),
    ),
    '## How each is given the pool',
    table(
      ['library', 'you write', 'connections beside the lanes'],
      rows.map(({ packages, use, holds }) => [`\`${packages[0]}\``, `\`${use}\``, holds ?? 'none']),
    ),
    '## Notes',
    rows
      .flatMap(({ packages, notes = [] }) => notes.map((note) => `- \`${packages[0]}\`: ${note}`))
      .join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
