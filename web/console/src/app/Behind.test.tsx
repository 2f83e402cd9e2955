import { MantineProvider } from '@mantine/core'
import { render } from '@testing-library/react'
import { createElement } from 'react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { setLanguage } from '@/i18n'
import { clock } from '@/i18n/format.ts'
import { Behind } from './Behind.tsx'
import type { Live } from './live.tsx'

const live = vi.hoisted(() => ({ now: { state: 'live' } as Live }))
vi.mock('./live.tsx', () => ({ useLive: () => live.now }))

// The time stands still: what takes long to draw is not older for it.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
  setLanguage('en')
})
afterEach(() => vi.useRealTimers())

const shown = (now: Live) => {
  live.now = now
  const { container, unmount } = render(createElement(MantineProvider, null, createElement(Behind)))
  const texts = [...container.querySelectorAll('[role="status"] span')].map((each) => each.textContent)
  unmount()
  return texts
}

it('says nothing while numbers come', () => {
  expect(shown({ state: 'live', heard: Date.now() })).toEqual([])
  expect(shown({ state: 'connecting' })).toEqual([])
})

it('says since when what is shown is old, in both languages', () => {
  const heard = Date.now() - 12_500
  expect(shown({ state: 'stale', heard })[0]).toBe(`No answer for 12 s; what is shown is from ${clock(heard)}.`)
  expect(shown({ state: 'stale', heard: Date.now() - 3200 })[0]).toMatch(/^No answer for 3 s;/)
  expect(shown({ state: 'stale' })[0]).toMatch(/^No answer for 1 s; nothing has come yet\.$/)
  setLanguage('zh')
  expect(shown({ state: 'stale', heard })[0]).toBe(`已有 12 秒 没有响应；当前显示的是 ${clock(heard)} 的内容。`)
})
