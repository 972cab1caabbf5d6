// Makes and rotates the file of signing keys. A rotation is `add`, a wait until every verifier has
// fetched the new public key (the JWKS may be cached for 5 minutes), then `promote`.

import {
  ALGORITHMS,
  type Algorithm,
  addKey,
  createKeys,
  promoteKey,
  readKeys,
  removeKey,
} from './tokens/key-file.js';

const USAGE = `keys-cli create <file> [EdDSA|ES256]   a new file with one key, readable by its owner
keys-cli add <file> [EdDSA|ES256]      a further key, published, that doesn't sign yet
keys-cli promote <file>                the newest key signs from now on; does nothing if it does
keys-cli remove <file> <kid>           a key that doesn't sign; its tokens are refused at once
keys-cli list <file>                   ids and algorithms; the first one signs`;

async function main([command, file, extra, ...rest]: string[]): Promise<number> {
  if (file === undefined || rest.length > 0) return usage();
  if (command === 'remove' && extra !== undefined) {
    removeKey(file, extra);
    return 0;
  }
  const algorithm = extra ?? 'EdDSA';
  if (!ALGORITHMS.includes(algorithm as Algorithm)) return usage();
  switch (command) {
    case 'create':
      console.log(await createKeys(file, algorithm as Algorithm));
      return 0;
    case 'add':
      console.log(await addKey(file, algorithm as Algorithm));
      return 0;
    case 'promote':
      console.log(promoteKey(file));
      return 0;
    case 'list':
      for (const { kid, alg } of readKeys(file)) console.log(`${kid} ${alg}`);
      return 0;
    default:
      return usage();
  }
}

function usage(): number {
  console.error(USAGE);
  return 2;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
