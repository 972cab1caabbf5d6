// Runs one TypeScript program of the tests in a process of its own, from the sources: the first
// argument is its file. Vite, which comes with Vitest, resolves and strips the types.

import process from 'node:process';
import { runnerImport } from 'vite';

const [file] = process.argv.slice(2);
// Node 20 does not know `await using`.
await runnerImport(file, { configFile: false, logLevel: 'error', oxc: { target: 'node20' } });
