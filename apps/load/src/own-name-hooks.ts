// Module hooks, which run in a thread of Node's own: where `plimsoll-load` is not installed beside a
// user class, its name means this package.

interface Resolution {
  readonly url: string;
}

type Resolve<Context> = (specifier: string, context: Context) => Promise<Resolution>;

const OWN_NAME = 'plimsoll-load';

export async function resolve<Context>(
  specifier: string,
  context: Context,
  nextResolve: Resolve<Context>,
): Promise<Resolution & { shortCircuit?: boolean }> {
  try {
    return await nextResolve(specifier, context);
  } catch (error) {
    if (specifier !== OWN_NAME) throw error;
    return { url: new URL('./index.js', import.meta.url).href, shortCircuit: true };
  }
}
