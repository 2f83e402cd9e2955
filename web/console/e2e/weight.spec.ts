import { beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { entries } from '../src/app/pages.ts'
import { dev, expectNoise, open, seed, settled, until } from './harness.ts'

/** Libraries that are heavy, and the routes that may ask for them. Nobody else may. */
const heavy: Record<string, RegExp> = {
  'vendor-flow': /^\/(designer|locks|runs\/.+|sagas\/.+)$/,
  'vendor-editor': /^\/(designer|sagas\/.+)$/,
  'vendor-yaml': /^\/(designer|sagas|sagas\/.+|runs\/.+)$/,
  'vendor-chart': /^\/(|locks|cluster|playground)$/,
}

/** What may be transferred until the first page is there, in bytes: code, styles and the page, packed. */
const firstRouteMax = 250_000

/** A file that a page asked for. */
interface File {
  name: string
  kind: string
  bytes: number
}

/** filesOf opens a path in a fresh browser profile and says which files of the console were transferred. */
async function filesOf(path: string): Promise<File[]> {
  const page = await open('about:blank')
  expectNoise(page, /status of 409 .*\/api\/v1\/settings/) // one machine has no settings of a cluster
  const pending: Promise<File | undefined>[] = []
  page.on('requestfinished', (request) => {
    const url = new URL(request.url())
    if (url.pathname.startsWith('/api/') || url.pathname.startsWith('/auth/')) {
      return
    }
    pending.push(
      request.sizes().then((sizes) => ({
        name: url.pathname,
        kind: request.resourceType(),
        bytes: sizes.responseBodySize,
      })),
    )
  })
  await page.goto((await dev()).base + path)
  await quiet(page)
  const files = (await Promise.all(pending)).filter((one) => one !== undefined)
  await page.context().close() // so that its streams do not weigh on the next one
  return files
}

/** quiet waits until the page has its title and asks for no more code. */
async function quiet(page: Page): Promise<void> {
  await page.locator('main h1').first().waitFor()
  await until('nothing is loading', async () => (await page.locator('main [aria-busy="true"]').count()) === 0)
  await page.waitForLoadState('load')
  let seen = -1
  await until('no more code is asked for', async () => {
    await settled(page)
    const now = await page.evaluate(
      () => performance.getEntriesByType('resource').filter((one) => one.name.includes('/assets/')).length,
    )
    const same = now === seen
    seen = now
    return same
  })
}

describe('each route asks for the code that it needs and no more', () => {
  const paths = entries.map((one) => one.path)

  beforeAll(async () => {
    const run = await seed.sagaCompensated()
    const { id } = await seed.committed()
    paths.push(`/transactions/${id}`, `/runs/${run.id}`, `/sagas/${run.saga}`)
  })

  test('heavy libraries only where they are used', async () => {
    const wrong: string[] = []
    const weights: string[] = []
    for (const path of paths) {
      const files = await filesOf(path)
      for (const [chunk, allowed] of Object.entries(heavy)) {
        if (files.some((one) => one.name.includes(chunk)) && !allowed.test(path)) {
          wrong.push(`${path} asks for ${chunk}`)
        }
      }
      weights.push(`${path.padEnd(28)} ${weigh(files, 'code').padStart(8)} and fonts ${weigh(files, 'font')}`)
    }
    process.stdout.write(`transferred, in bytes:\n${weights.join('\n')}\n`)
    expect(wrong).toEqual([])
  })

  test('the first route is light', async () => {
    const files = await filesOf('/')
    const sum = files.filter((one) => one.kind !== 'font').reduce((all, one) => all + one.bytes, 0)
    expect(files.map((one) => one.name)).toContain('/assets/index.js')
    const list = files.map((one) => `${one.name} ${one.bytes}`).join('\n')
    expect(sum, `the first route transfers\n${list}`).toBeLessThan(firstRouteMax)
  })
})

function weigh(files: File[], what: 'font' | 'code'): string {
  const fitting = files.filter((one) => (one.kind === 'font') === (what === 'font'))
  return String(fitting.reduce((all, one) => all + one.bytes, 0))
}

test('a second visit transfers no code', async () => {
  const page = await open('/')
  await quiet(page)
  const answers: { name: string; status: number }[] = []
  page.on('response', (response) => {
    const { pathname } = new URL(response.url())
    if (pathname.startsWith('/assets/')) {
      answers.push({ name: pathname, status: response.status() })
    }
  })
  await page.reload()
  await quiet(page)
  expect(answers.length).toBeGreaterThan(2)
  const again = await page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .filter((one) => one.name.includes('/assets/'))
      .filter((one) => (one as PerformanceResourceTiming).transferSize > 1000)
      .map((one) => one.name),
  )
  expect(again).toEqual([])
})
