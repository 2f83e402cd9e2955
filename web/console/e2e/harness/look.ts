import { readFileSync } from 'node:fs'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import type { Theme } from './browser.ts'
import { until } from './until.ts'

const themes = ['dark', 'light'] as const
const tags = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A rule that a page breaks, as axe says it. */
interface Violation {
  id: string
  impact: string | null
  help: string
  nodes: { target: unknown[]; html: string; failureSummary?: string }[]
}

/**
 * Fails if axe finds anything on the page, in either theme. `within` looks at a part, `without` leaves parts out, for
 * which a test needs a reason.
 */
export async function axe(page: Page, parts: { within?: string; without?: string[] } = {}): Promise<void> {
  const found: string[] = []
  await inEachTheme(page, async (theme) => {
    for (const one of await violations(page, parts.within, parts.without ?? [])) {
      found.push(`${theme}: ${one.id} (${one.impact ?? '?'}) ${one.help}, ${one.nodes.length}x`)
      for (const node of one.nodes.slice(0, 5)) {
        const why = (node.failureSummary ?? '').split('\n').slice(1).join(' ').trim()
        found.push(`    ${node.target.join(' ')}\n      ${node.html.slice(0, 200)}\n      ${why}`)
      }
    }
  })
  if (found.length > 0) {
    throw new Error(`axe finds on ${page.url()}:\n${found.join('\n')}`)
  }
}

async function violations(page: Page, within: string | undefined, without: string[]): Promise<Violation[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) {
    await page.evaluate(axeSource)
  }
  return page.evaluate(
    async ([include, exclude, values]) => {
      type Axe = { run: (...all: unknown[]) => Promise<{ violations: Violation[] }> }
      const context = {
        include: include === '' ? [[':root']] : [[include]],
        exclude: exclude.map((one) => [one]),
      }
      const { axe } = globalThis as unknown as { axe: Axe }
      const result = await axe.run(context, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] })
      return result.violations
    },
    [within ?? '', without, tags] as const,
  )
}

/** Carries something out in both themes, and goes back to the one that there was. */
async function inEachTheme(page: Page, what: (theme: Theme) => Promise<void>): Promise<void> {
  const before = await page.evaluate(() =>
    matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light',
  )
  for (const theme of themes) {
    await wear(page, theme)
    await what(theme)
  }
  await wear(page, before)
}

/** Has the page, which follows the machine's theme, wear this one, and waits until nothing moves any more. */
async function wear(page: Page, theme: Theme): Promise<void> {
  await page.emulateMedia({ colorScheme: theme })
  await until(`the page is ${theme}`, () =>
    page.evaluate((want) => {
      const has = document.documentElement.getAttribute('data-mantine-color-scheme')
      return has === null || has === want
    }, theme),
  )
  await settled(page)
}

/** Waits until fonts are there and no animation that has an end is under way. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(async () => {
    await document.fonts.ready
    const ending = document
      .getAnimations()
      .filter((one) => one.effect?.getComputedTiming().endTime !== Infinity)
    await Promise.race([
      Promise.allSettled(ending.map((one) => one.finished)),
      new Promise((late) => {
        setTimeout(late, 10_000)
      }),
    ])
    await new Promise((painted) => {
      requestAnimationFrame(() => requestAnimationFrame(painted))
    })
  })
}

let place: string | undefined

/** Where pictures go: $SHOTS, or a new directory for temporary things. */
export function shots(): string {
  const wanted = process.env['SHOTS']
  place ??=
    wanted !== undefined && wanted !== '' ? resolve(wanted) : mkdtempSync(join(tmpdir(), 'concord-shots-'))
  mkdirSync(place, { recursive: true })
  return place
}

/** Takes pictures of a page as it is, NAME-dark.png and NAME-light.png. `mask` hides what differs each time. */
export async function shot(
  page: Page,
  name: string,
  options: { mask?: Locator[]; fullPage?: boolean } = {},
): Promise<void> {
  const dir = shots()
  await inEachTheme(page, async (theme) => {
    // No room is kept for a scrollbar, which pictures do not have.
    await page.evaluate(() => document.documentElement.style.setProperty('scrollbar-gutter', 'auto'))
    await page.screenshot({
      path: join(dir, `${name}-${theme}.png`),
      animations: 'disabled',
      caret: 'hide',
      scale: 'css',
      ...options,
    })
  })
}
