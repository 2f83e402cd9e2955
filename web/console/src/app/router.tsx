import type { ComponentType } from 'react'
import { createBrowserRouter } from 'react-router'
import { Crash, Unloaded } from './Crash.tsx'
import { loaders } from './pages.ts'
import { Shell } from './Shell.tsx'
import { Unknown } from './Unknown.tsx'
import { loading, unloadedAt } from './unloaded.ts'
import { Loading } from '@/shared/Loading.tsx'

/** shown returns what an address shows. It must not fail: a route whose code has not come leaves the router with the
 * shell and nothing in it. */
async function shown(load: () => Promise<ComponentType>): Promise<{ Component: ComponentType }> {
  try {
    return { Component: await loading(load) }
  } catch (error) {
    const at = unloadedAt(error) ?? Date.now()
    return { Component: () => <Unloaded error={error} at={at} /> }
  }
}

const pages = Object.entries(loaders).map(([path, load]) => ({
  path,
  lazy: () => shown(async () => (await load()).default),
  ErrorBoundary: Crash,
}))

/** router knows every address of the console. */
export const router = createBrowserRouter([
  {
    path: '/sign-in',
    lazy: () => shown(async () => (await import('./SignIn.tsx')).SignIn),
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
