// The live page as one document: its style, uPlot and its modules stand in it, so that nothing else is
// asked for, and its policy allows exactly these by their hashes. Made once.
//
// The modules are those of `page/` as the compiler wrote them. Each becomes a function whose result is
// what it exports; imports become names taken from such a result.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Of the package, from `src/http/dashboard` and from `dist/http/dashboard` alike. */
const PACKAGE = fileURLToPath(new URL('../../..', import.meta.url));
const WRITTEN = path.join(PACKAGE, 'src/http/page');
const COMPILED = path.join(PACKAGE, 'dist/http/page');
const IMPORT = /^import \{([^}]*)\} from '\.\/([\w-]+)\.js';$/gm;
const EXPORT = /^export (?=(?:class|function|const) (\w+))/gm;

export interface Document {
  readonly html: Buffer;
  readonly gzipped: Buffer;
  readonly contentSecurityPolicy: string;
}

/** @param name `page` or `token`: of the HTML file and of the module that it begins with. */
export function readDocument(name: 'page' | 'token'): Document {
  const uplot = path.dirname(createRequire(import.meta.url).resolve('uplot'));
  const isPage = name === 'page';
  const styles = [
    ...(isPage ? [readFileSync(path.join(uplot, 'uPlot.min.css'), 'utf8')] : []),
    written('theme.css'),
    ...(isPage ? [written('page.css')] : []),
  ].join('\n');
  const scripts = [
    ...(isPage ? [readFileSync(path.join(uplot, 'uPlot.iife.min.js'), 'utf8')] : []),
    linked(name),
  ];
  const html = Buffer.from(
    written(`${name}.html`)
      .replace('<!-- style -->', () => `<style>${styles}</style>`)
      .replace('<!-- scripts -->', () =>
        scripts.map((script) => `<script>${script}</script>`).join('\n'),
      ),
  );
  return {
    html,
    gzipped: gzipSync(html),
    contentSecurityPolicy: [
      "default-src 'none'",
      `script-src ${scripts.map(hashOf).join(' ')}`,
      `style-src ${hashOf(styles)}`,
      "img-src data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ].join('; '),
  };
}

/** One script of a module and all that it needs, each once and before who needs it. */
function linked(main: string): string {
  const parts = new Map<string, string>();
  const link = (name: string): void => {
    if (parts.has(name)) return;
    const text = readFileSync(path.join(COMPILED, `${name}.js`), 'utf8');
    for (const [, , needed] of text.matchAll(IMPORT)) link(needed as string);
    const exported = [...text.matchAll(EXPORT)].map(([, exportedName]) => exportedName);
    const body = text
      .replace(IMPORT, (_line, names, from) => `const {${names}} = ${variableOf(from)};`)
      .replace(EXPORT, '')
      .replace(/^export \{\};$/gm, '');
    parts.set(
      name,
      `const ${variableOf(name)} = (() => {\n${body}\nreturn { ${exported.join(', ')} };\n})();`,
    );
  };
  link(main);
  return `'use strict';\n(() => {\n${[...parts.values()].join('\n')}\n})();`;
}

function variableOf(name: string): string {
  return `${name.replaceAll('-', '_')}_module`;
}

function written(file: string): string {
  return readFileSync(path.join(WRITTEN, file), 'utf8');
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
