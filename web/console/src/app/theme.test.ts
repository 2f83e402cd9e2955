import type { MantineTheme } from '@mantine/core'
import { expect, it } from 'vitest'
import { variables } from './theme.ts'

/** light of a colour, as contrast is measured by. */
function light(hex: string): number {
  const part = (at: number) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

function contrast(a: string, b: string): number {
  const [low, high] = [light(a), light(b)].sort((x, y) => x - y)
  return (high! + 0.05) / (low! + 0.05)
}

it('measures black on white', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21)
})

it.each(['light', 'dark'] as const)('has errors and warnings that can be read in %s', (scheme) => {
  const all = variables({} as MantineTheme)[scheme] as Record<string, string>
  for (const [front, back] of [
    ['--c-bad', '--c-surface'],
    ['--c-bad', '--c-raised'],
    ['--c-bad', '--mantine-color-body'],
    ['--c-warn', '--c-warn-soft'],
    ['--c-bad', '--c-bad-soft'],
  ] as const) {
    expect(contrast(all[front]!, all[back]!), `${front} on ${back}`).toBeGreaterThanOrEqual(4.5)
  }
})
