import { MantineProvider } from '@mantine/core'
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react'
import { createMemoryRouter, RouterProvider, useLocation } from 'react-router'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { setLanguage } from '@/i18n'
import { useShortcuts } from './keys.ts'
import { useOverlay } from './overlay.tsx'
import Palette from './Palette.tsx'

vi.mock('./features.ts', () => ({ usePlayground: () => false }))

beforeEach(() => setLanguage('en'))
afterEach(cleanup)

type Load = NonNullable<Parameters<typeof useOverlay>[0]>

/** page shows a page with shortcuts; the palette's code comes as load says. */
function page(load: Load) {
  const pressed: string[] = []
  function Page() {
    const overlay = useOverlay(load)
    useShortcuts({ 'mod+k': overlay.togglePalette, l: () => pressed.push('l'), '?': overlay.openHelp })
    return (
      <>
        <p data-testid="path">{useLocation().pathname}</p>
        <button onClick={() => pressed.push('click')}>press</button>
        {overlay.element}
      </>
    )
  }
  const router = createMemoryRouter([{ path: '*', element: <Page /> }])
  render(
    <MantineProvider>
      <RouterProvider router={router} />
    </MantineProvider>,
  )
  return { pressed, path: () => screen.getByTestId('path').textContent }
}

const open = () => fireEvent.keyDown(document.body, { key: 'k', ctrlKey: true })
const field = () => screen.queryByRole<HTMLInputElement>('combobox')
const type = (...keys: string[]) => {
  const taken = keys.map((key) => !fireEvent.keyDown(document.activeElement ?? document.body, { key }))
  return taken.every(Boolean)
}

/** later is code that comes when it is told to. */
function later() {
  let come!: () => void
  const load: Load = () =>
    new Promise((resolve) => {
      come = () => resolve({ default: Palette })
    })
  return { load, come: () => act(async () => come()) }
}

it('gives its field the focus before the next key', async () => {
  const load = vi.fn<Load>(async () => ({ default: Palette }))
  page(load)
  open()
  await act(async () => {})
  expect(field()).toBe(document.activeElement)
  open()
  expect(field()).toBeNull()
  open() // its code is there: no promise, no timer
  expect(field()).not.toBeNull()
  expect(field()).toBe(document.activeElement)
  expect(type('x')).toBe(false) // the browser puts it into the field
  expect(load).toHaveBeenCalledTimes(1)
})

it('takes what is typed while its code is on its way', async () => {
  const { load, come } = later()
  const { pressed } = page(load)
  open()
  expect(type('l', 'o', 'x', 'Backspace', 'c')).toBe(true)
  expect(field()).toBeNull()
  await come()
  expect(field()?.value).toBe('loc')
  expect(field()).toBe(document.activeElement)
  expect(pressed).toEqual([])
  expect(type('k')).toBe(false)
})

it('goes where one was about to go when Enter comes early', async () => {
  const { load, come } = later()
  const { pressed, path } = page(load)
  screen.getByText('press').focus()
  open()
  expect(type(...'locks', 'Enter', 'z')).toBe(true)
  await come()
  expect(path()).toBe('/locks')
  expect(field()).toBeNull()
  expect(type('l')).toBe(true) // a shortcut of the page again
  expect(pressed).toEqual(['l'])
})

it('gives up at Escape, and at the key that opened it', async () => {
  const { load, come } = later()
  const { pressed } = page(load)
  open()
  type('a', 'Escape')
  expect(type('l')).toBe(true)
  open()
  type('b')
  open()
  expect(type('l')).toBe(true)
  expect(pressed).toEqual(['l', 'l'])
  open()
  type('c')
  await come()
  expect(field()?.value).toBe('c')
})

it('leaves commands of the browser alone, and takes characters that need AltGr', async () => {
  const { load, come } = later()
  page(load)
  open()
  expect(fireEvent.keyDown(document.body, { key: 'r', ctrlKey: true })).toBe(true)
  expect(fireEvent.keyDown(document.body, { key: 'Tab' })).toBe(true)
  const at = { key: '@', ctrlKey: true, altKey: true, modifierAltGraph: true }
  fireEvent(document.body, new KeyboardEvent('keydown', { ...at, bubbles: true, cancelable: true }))
  await come()
  expect(field()?.value).toBe('@')
})
