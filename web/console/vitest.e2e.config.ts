import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// The tests of the console against the real binary and a real browser: `npm run e2e`, or `npm run e2e -- NAME`.
// How to write one is said at the top of e2e/harness.ts.
export default defineConfig({
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  test: {
    environment: 'node',
    include: ['e2e/**/*.spec.ts'],
    globalSetup: ['e2e/harness/binary.ts'],
    setupFiles: ['e2e/harness/globals.ts'],
    pool: 'forks',
    fileParallelism: false, // one browser at a time: the machines that run this have two cores
    testTimeout: 400_000, // on a slow machine that others use, too
    hookTimeout: 400_000,
    teardownTimeout: 20_000,
    retry: 1, // browsers on busy machines; .ci/web names what needed a second turn
    reporters: ['default'],
  },
})
