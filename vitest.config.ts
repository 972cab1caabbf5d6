import { configDefaults, defineConfig } from 'vitest/config';

const UNITS = ['{,apps/*/}src/**/*.test.ts'];
const SYSTEM = ['{,apps/*/}test/**/*.test.ts'];
/** They judge how long something takes, so nothing else may run meanwhile. */
const TIMED = [
  'test/faults/!(leftovers|right-caller).test.ts',
  'test/reliability/short.test.ts',
  // What sentinels think of servers in time, a busy machine changes.
  'test/topology/{sentinel,sentinel-reads}.test.ts',
  'test/wire/**/*.test.ts',
  'test/scripts/validate-topology.test.ts',
  'apps/cli/test/plan.test.ts',
  'apps/load/test/{cross-check,models}.test.ts',
  'apps/auth/test/{cluster,overload,secrets,topologies}.test.ts',
];
/** Most of the time they wait, so that two at a time do each other no harm; what computes would. */
const PAIRED = [
  'test/topology/{cluster-*,endpoints}.test.ts',
  'apps/load/test/command-line.test.ts',
];
/** On all cores: most of these wait for processes that they started. */
const SIDE_BY_SIDE = { maxWorkers: '100%', sequence: { groupOrder: 0 } };

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // CommonJS packages are imported as Node imports them.
    deps: { interopDefault: false },
    projects: [
      {
        extends: true,
        // They leave nothing behind, so they may share a process.
        test: { name: 'units', include: UNITS, isolate: false, ...SIDE_BY_SIDE },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: SYSTEM,
          exclude: [...configDefaults.exclude, ...TIMED, ...PAIRED],
          ...SIDE_BY_SIDE,
        },
      },
      {
        extends: true,
        test: { name: 'paired', include: PAIRED, maxWorkers: 2, sequence: { groupOrder: 2 } },
      },
      {
        extends: true,
        test: { name: 'timed', include: TIMED, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
