import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// vendor names the chunk of a module from node_modules. Every group is named here, so that no name is derived by
// accident; what several groups share is in vendor-react, because a group pulls in what its modules need.
function vendor(id: string): string | null {
  const at = id.lastIndexOf('/node_modules/')
  if (at < 0) return null
  const path = id.slice(at + '/node_modules/'.length)
  const name = path.startsWith('@') ? path.split('/').slice(0, 2).join('/') : path.split('/')[0]!
  if (/^(@codemirror\/|@lezer\/|crelt$|style-mod$|w3c-keyname$|@marijn\/)/.test(name)) return 'vendor-editor'
  if (/^(@xyflow\/|@dagrejs\/|d3-|classcat$|zustand$)/.test(name)) return 'vendor-flow'
  if (name === 'uplot') return 'vendor-chart'
  if (name === 'yaml') return 'vendor-yaml'
  if (/^@tanstack\/(react-table|table-core|react-virtual|virtual-core)$/.test(name)) return 'vendor-table'
  return 'vendor-react'
}

// What the shell uses of Mantine, with all that it is made of; what only pages use is in a chunk of its own, so that
// the first route does not load it.
const shell = [
  'ActionIcon',
  'Alert',
  'AppShell',
  'Burger',
  'Button',
  'Center',
  'Code',
  'CopyButton',
  'Floating',
  'FloatingIndicator',
  'FocusTrap',
  'Group',
  'Loader',
  'Menu',
  'Popover',
  'Portal',
  'SegmentedControl',
  'Skeleton',
  'Stack',
  'Text',
  'Title',
  'Tooltip',
  'Transition',
  'UnstyledButton',
  'VisuallyHidden',
]

function group(id: string): string | null {
  if (id.includes('/@floating-ui/')) return 'vendor-mantine'
  if (id.includes('/react-number-format/')) return 'vendor-mantine-more'
  if (!id.includes('/node_modules/@mantine/')) return vendor(id)
  const component = /\/components\/(\w+)\//.exec(id)?.[1]
  if (component === undefined || shell.includes(component)) return 'vendor-mantine'
  return 'vendor-mantine-more'
}

// A chunk is called after the file that it begins with, "page-sagas-one" for src/pages/sagas/one.tsx.
function chunkName(chunk: { name: string; facadeModuleId: string | null }): string {
  const page = /\/src\/pages\/(.+?)(\/index)?\.tsx$/.exec(chunk.facadeModuleId ?? '')?.[1]
  return page ? `assets/page-${page.replaceAll('/', '-')}.js` : 'assets/[name].js'
}

const api = process.env['CONSOLE_API']

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  html: { cspNonce: '__CSP_NONCE__' },
  server: {
    proxy: api
      ? Object.fromEntries(['/api', '/auth', '/openapi.yaml', '/docs', '/readyz'].map((path) => [path, api]))
      : {},
  },
  build: {
    target: 'es2023',
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name].js',
        chunkFileNames: chunkName,
        assetFileNames: 'assets/[name][extname]',
        // A group takes along what its modules need, unless that is in a group before it: so what everything stands on
        // comes first, and heavy libraries that only some routes use come last.
        codeSplitting: {
          groups: [
            { name: 'vendor-react', test: (id: string) => group(id) === 'vendor-react', priority: 3 },
            { name: 'vendor-mantine', test: (id: string) => group(id) === 'vendor-mantine', priority: 2 },
            { name: (id: string) => group(id), priority: 1 },
          ],
        },
      },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/setup.test-env.ts'],
    testTimeout: 400_000, // of what hangs; 5 s, which it is otherwise, is little on a slow machine that others use, too
    hookTimeout: 400_000,
  },
})
