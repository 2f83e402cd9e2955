import type { ComponentType } from 'react'
import type { words } from './words.ts'

type Word = keyof (typeof words)['en']

/** PageEntry is a page of the navigation. */
export interface PageEntry {
  readonly word: Word
  readonly path: string
  /** The letter that, typed after g, leads there. */
  readonly letter: string
  /** The shapes of a 16 by 16 icon. */
  readonly icon: string
  /** Shown only if the server has it. */
  readonly only?: 'playground'
}

/** groups is the navigation, from top to bottom. */
export const groups: readonly { readonly word?: Word; readonly pages: readonly PageEntry[] }[] = [
  {
    pages: [{ word: 'overview', path: '/', letter: 'o', icon: 'M2 13h12M4 13V8m4 5V3m4 10V6' }],
  },
  {
    word: 'groupWork',
    pages: [
      { word: 'transactions', path: '/transactions', letter: 't', icon: 'M2 4h12M2 8h12M2 12h8' },
      { word: 'inbox', path: '/inbox', letter: 'i', icon: 'M2 9l2-6h8l2 6v4H2zM2 9h4l1 2h2l1-2h4' },
      { word: 'jobs', path: '/jobs', letter: 'j', icon: 'M2 4l1.5 1.5L6 3M2 11l1.5 1.5L6 10M8 4.5h6M8 11.5h6' },
      { word: 'locks', path: '/locks', letter: 'l', icon: 'M4 7h8v7H4zM5.5 7V5a2.5 2.5 0 0 1 5 0v2' },
    ],
  },
  {
    word: 'groupSagas',
    pages: [
      { word: 'sagas', path: '/sagas', letter: 's', icon: 'M4 2h6l3 3v9H4zM6 7h5M6 10h5' },
      { word: 'runs', path: '/runs', letter: 'r', icon: 'M5 3l8 5-8 5z' },
      { word: 'designer', path: '/designer', letter: 'd', icon: 'M2 3h4v4H2zM10 9h4v4h-4zM6 5h3v6h1' },
    ],
  },
  {
    word: 'groupFlow',
    pages: [
      { word: 'decisions', path: '/decisions', letter: 'x', icon: 'M8 2v4M8 6l-4 4v4M8 6l4 4v4' },
      { word: 'events', path: '/events', letter: 'e', icon: 'M2 4h12v8H2zM2 4l6 5 6-5' },
    ],
  },
  {
    word: 'groupSystem',
    pages: [
      { word: 'cluster', path: '/cluster', letter: 'c', icon: 'M3 3h10v4H3zM3 9h10v4H3zM5 5h1M5 11h1' },
      {
        word: 'audit',
        path: '/audit',
        letter: 'a',
        icon: 'M8 2l5 2v4c0 3-2 5-5 6-3-1-5-3-5-6V4zM6 8l1.5 1.5L10 7',
      },
      {
        word: 'access',
        path: '/access',
        letter: 'u',
        icon: 'M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3 14c0-3 2-4 5-4s5 1 5 4',
      },
      { word: 'settings', path: '/settings', letter: ',', icon: 'M2 5h7M12 5h2M9 3v4M2 11h2M7 11h7M4 9v4' },
      {
        word: 'playground',
        path: '/playground',
        letter: 'p',
        icon: 'M6 2h4M7 2v4l-4 7h10L9 6V2',
        only: 'playground',
      },
    ],
  },
]

/** entries is the navigation as a list. */
export const entries: readonly PageEntry[] = groups.flatMap((g) => g.pages)

type Loaded = { default: ComponentType }

/** loaders has the code of each route, loaded when it is first shown. */
export const loaders: Readonly<Record<string, () => Promise<Loaded>>> = {
  '/': () => import('@/pages/overview'),
  '/transactions': () => import('@/pages/transactions'),
  '/transactions/compare': () => import('@/pages/transaction/compare.tsx'),
  '/transactions/:xid': () => import('@/pages/transaction'),
  '/inbox': () => import('@/pages/inbox'),
  '/jobs': () => import('@/pages/jobs'),
  '/jobs/:job': () => import('@/pages/jobs/one.tsx'),
  '/locks': () => import('@/pages/locks'),
  '/sagas': () => import('@/pages/sagas'),
  '/sagas/:saga': () => import('@/pages/sagas/one.tsx'),
  '/runs': () => import('@/pages/runs'),
  '/runs/:xid': () => import('@/pages/runs/one.tsx'),
  '/designer': () => import('@/pages/designer'),
  '/designer/:saga': () => import('@/pages/designer'),
  '/decisions': () => import('@/pages/decisions'),
  '/events': () => import('@/pages/events'),
  '/cluster': () => import('@/pages/cluster'),
  '/audit': () => import('@/pages/audit'),
  '/access': () => import('@/pages/access'),
  '/settings': () => import('@/pages/settings'),
  '/playground': () => import('@/pages/playground'),
}
