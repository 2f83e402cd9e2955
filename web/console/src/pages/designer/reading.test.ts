import { MantineProvider } from '@mantine/core'
import { render } from '@testing-library/react'
import { createElement } from 'react'
import { afterEach, expect, it, vi } from 'vitest'
import { setLanguage } from '@/i18n'
import { Sound } from './Dialogs.tsx'
import { readSource } from './source.ts'

afterEach(() => vi.restoreAllMocks())

it('of a text with odd keys writes nothing into the console', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  expect(readSource('{a: b}: c\n').value).toBeDefined()
  expect(readSource('? [a, b]\n: !odd c\n').problems).toEqual([])
  expect(readSource('{a: b}: c: d\n ? [x').problems.length).toBeGreaterThan(0)
  expect(warn).not.toHaveBeenCalled()
  expect(emit).not.toHaveBeenCalled()
})

it('that is sound but has warnings says both', () => {
  const said = (warnings: number) => {
    const { container, unmount } = render(
      createElement(MantineProvider, null, createElement(Sound, { warnings })),
    )
    const mark = container.querySelector<HTMLElement>('[data-tone]')!
    const seen = [mark.dataset['tone'], mark.textContent]
    unmount()
    return seen
  }
  setLanguage('en')
  expect(said(0)).toEqual(['good', 'Sound'])
  expect(said(1)).toEqual(['warn', 'Sound, with a warning'])
  expect(said(2)).toEqual(['warn', 'Sound, with 2 warnings'])
  setLanguage('zh')
  expect(said(2)).toEqual(['warn', '检查通过，但有 2 个警告'])
  setLanguage('en')
})
