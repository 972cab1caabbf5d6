// Declarations for those who require() the package under TypeScript's `module: node16`, where the types of
// an ES module may not be required: dist/index.d.cts beside dist/index.d.ts, and so for each entry. Both
// tell of the same file, which Node's require() loads. Types come by reference; values are named one by
// one, as TypeScript has no other way.

import { readFileSync, writeFileSync } from 'node:fs';

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

for (const entry of Object.values(exports)) {
  const required = entry.require?.types;
  if (required === undefined) continue;
  const module = await import(new URL(`../${entry.default}`, import.meta.url));
  writeFileSync(new URL(`../${required}`, import.meta.url), declarations(entry.default, module));
}

function declarations(file, module) {
  const source = `'./${file.split('/').at(-1)}' with { 'resolution-mode': 'import' }`;
  const values = Object.keys(module).map((name) => {
    const type = isClass(module[name])
      ? `export type ${name} = InstanceType<typeof own.${name}>;\n`
      : '';
    return `export declare const ${name}: typeof own.${name};\n${type}`;
  });
  return [
    `import type * as own from ${source};\n`,
    `export type * from ${source};\n`,
    ...values,
  ].join('');
}

function isClass(value) {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}
