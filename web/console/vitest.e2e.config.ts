import { defineConfig } from 'vitest/config'

// The tests of the console against the real binary and a real browser: `npm run e2e`, or `npm run e2e -- NAME`.
// How to write one is said at the top of e2e/harness.ts.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['e2e/**/*.spec.ts'],
    globalSetup: ['e2e/harness/binary.ts'],
    pool: 'forks',
    fileParallelism: false, // one browser at a time: the machines that run this have two cores
    testTimeout: 90_000,
    hookTimeout: 180_000,
    teardownTimeout: 20_000,
    reporters: ['default'],
  },
})
