import { createBrowserRouter } from 'react-router'
import { Crash } from './Crash.tsx'
import { loaders } from './pages.ts'
import { Shell } from './Shell.tsx'
import { Unknown } from './Unknown.tsx'
import { Loading } from '@/shared/Loading.tsx'

const pages = Object.entries(loaders).map(([path, load]) => ({
  path,
  lazy: async () => ({ Component: (await load()).default }),
  ErrorBoundary: Crash,
}))

/** router knows every address of the console. */
export const router = createBrowserRouter([
  {
    path: '/sign-in',
    lazy: async () => ({ Component: (await import('./SignIn.tsx')).SignIn }),
    ErrorBoundary: Crash,
    HydrateFallback: Loading,
  },
  {
    Component: Shell,
    ErrorBoundary: Crash,
    HydrateFallback: Loading,
    children: [...pages, { path: '*', Component: Unknown }],
  },
])
