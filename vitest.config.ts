import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{,apps/*/}src/**/*.test.ts', '{,apps/*/}test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // CommonJS packages are imported as Node imports them.
    deps: { interopDefault: false },
  },
});
