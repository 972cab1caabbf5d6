// The files of the page: what is written in `page/`, its compiled scripts, and uPlot, all read once.
// Nothing comes from another host.

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of the package, from `src/web` and from `dist/web` alike. */
const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const WRITTEN = path.join(PACKAGE, 'src/web/page');
const COMPILED = path.join(PACKAGE, 'dist/web/page');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export interface Asset {
  readonly type: string;
  readonly content: Buffer;
}

/** By file name: `page.html`, `token.html`, and what these ask for. */
export function readAssets(): ReadonlyMap<string, Asset> {
  const require = createRequire(import.meta.url);
  const files = [
    ...filesIn(WRITTEN, ['.html', '.css', '.svg']),
    ...filesIn(COMPILED, ['.js']),
    ...['uPlot.iife.min.js', 'uPlot.min.css'].map((name) => require.resolve(`uplot/dist/${name}`)),
  ];
  return new Map(
    files.map((file) => [
      path.basename(file),
      { type: TYPES[path.extname(file)]!, content: readFileSync(file) },
    ]),
  );
}

function filesIn(folder: string, extensions: readonly string[]): string[] {
  return readdirSync(folder)
    .filter((name) => extensions.includes(path.extname(name)))
    .map((name) => path.join(folder, name));
}
