import { expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { dev, keys, open, until } from './harness.ts'

const total = 100_000
const pageSize = 5_000

/** served plays a server with 100,000 transactions: no real one would be asked to make so many for this. */
async function served(page: Page): Promise<{ pages: () => number }> {
  const asked = new Set<number>()
  await page.route(/\/api\/v1\/transactions(\?|$)/, (route) => {
    const from = Number(new URL(route.request().url()).searchParams.get('cursor') ?? '0')
    asked.add(from)
    const items = Array.from({ length: Math.min(pageSize, total - from) }, (_, n) => transaction(from + n))
    return route.fulfill({
      json: from + pageSize < total ? { items, next: String(from + pageSize) } : { items },
    })
  })
  return { pages: () => asked.size }
}

function transaction(n: number): object {
  const begun = new Date(Date.UTC(2026, 0, 2) - n * 1000).toISOString()
  const status = n % 50 === 7 ? 'RollingBack' : n % 10 === 3 ? 'RolledBack' : 'Committed'
  return {
    xid: `10.0.0.5:8091:${total - n}`,
    id: String(total - n),
    status,
    application: `shop-${n % 7}`,
    group: 'default',
    name: `place order ${n % 13}`,
    beganAt: begun,
    decidedAt: begun,
    endedAt: status === 'RollingBack' ? undefined : begun,
    deadline: begun,
    timeoutMs: 60_000,
    decision: status === 'Committed' ? 'commit' : 'rollback',
    outcome: status === 'Committed' ? 'done' : 'failed',
    branchCount: 2,
    stuck: status === 'RollingBack',
    heuristic: false,
  }
}

/** What a ride through the rows was like. */
interface Ride {
  rows: number
  mostRows: number
  frames: number[]
}

/** ride scrolls by a step in each frame, until it is at the end of what is loaded, and looks at what there is. */
function ride(page: Page, how: { steps: number } | { pixels: number; frames: number }): Promise<Ride> {
  return page.evaluate(async (wish) => {
    let box: Element | null = document.querySelector('main [role="row"], main tr')
    while (
      box !== null &&
      !(box.scrollHeight > box.clientHeight + 100 && /auto|scroll/.test(getComputedStyle(box).overflowY))
    ) {
      box = box.parentElement
    }
    const scroller = box ?? document.documentElement
    const frames: number[] = []
    let mostRows = 0
    let last = performance.now()
    const most = 'frames' in wish ? wish.frames : 240
    for (let n = 0; n < most; n++) {
      const atEnd = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - 1
      if ('steps' in wish && atEnd) {
        break
      }
      scroller.scrollTop += 'steps' in wish ? scroller.scrollHeight / wish.steps : wish.pixels
      await new Promise((painted) => requestAnimationFrame(painted))
      const now = performance.now()
      frames.push(now - last)
      last = now
      mostRows = Math.max(mostRows, document.querySelectorAll('main [role="row"], main tr').length)
    }
    const table = document.querySelector('main [aria-rowcount]')
    return { rows: Number(table?.getAttribute('aria-rowcount') ?? '-1'), mostRows, frames }
  }, how)
}

/** tell writes how long frames took, for people. */
function tell(what: string, frames: number[]): void {
  const sorted = frames.toSorted((a, b) => a - b)
  const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1)
  process.stdout.write(
    `${what}: ${frames.length} frames, p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms\n`,
  )
}

test('100,000 rows are scrolled through, and few of them are in the page', async () => {
  const page = await open('about:blank')
  const server = await served(page)
  await page.goto(`${(await dev()).base}/transactions`)
  await page.getByText('place order').first().waitFor()
  let mostRows = 0
  const jumps: number[] = []
  await until(
    'all rows are loaded',
    async () => {
      const one = await ride(page, { steps: 20 })
      jumps.push(...one.frames)
      mostRows = Math.max(mostRows, one.mostRows)
      return server.pages() === total / pageSize && one.rows >= total
    },
    200_000,
  )
  tell('jumps while pages are loaded', jumps)
  const up = await ride(page, { pixels: -300, frames: 120 })
  tell(`scrolling through ${total} rows, 300 pixels a frame`, up.frames)
  expect(Math.max(mostRows, up.mostRows)).toBeLessThan(200)

  const started = Date.now()
  await keys(page).press('j', 'j', 'k')
  await until('a row has the focus', async () => (await keys(page).focus()).role === 'row')
  expect(Date.now() - started, 'three keys, in ms').toBeLessThan(5_000)
})
