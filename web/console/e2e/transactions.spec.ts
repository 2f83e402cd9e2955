import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { words as shared } from '../src/shared/words.ts'
import { words as all } from '../src/pages/transactions/words.ts'
import { words as jobs } from '../src/pages/jobs/words.ts'
import {
  another,
  asks,
  attribute,
  axe,
  barred,
  dev,
  expectNoise,
  gone,
  holds,
  keys,
  open,
  says,
  secured,
  seed,
  shot,
  until,
} from './harness.ts'

const t = all.en

/** rowsOf are the ids of the rows that are shown, from the top. */
function rowsOf(page: Page): Promise<string[]> {
  return page.locator('main [data-row]').evaluateAll((rows) =>
    rows
      .map((row) => ({ id: row.getAttribute('data-row') ?? '', at: row.getBoundingClientRect().top }))
      .toSorted((a, b) => a.at - b.at)
      .map((row) => row.id),
  )
}

const query = (page: Page): string | null => new URL(page.url()).searchParams.get('q')
const found = (page: Page, ids: string[]): Promise<true> =>
  until(`the rows ${ids.join(' ')}`, async () => (await rowsOf(page)).join() === ids.join() && true)
const search = (page: Page) => page.getByRole('combobox', { name: t.searchLabel })

/** listed opens the list of a search and waits for its first row. */
async function listed(q: string, options: Parameters<typeof open>[1] = {}): Promise<Page> {
  const page = await open(`/transactions${q && `?q=${encodeURIComponent(q)}`}`, options)
  await page.locator('main [data-row]').first().waitFor()
  return page
}

beforeAll(async () => {
  await seed.many(30, { application: 'bank', name: 'transfer money' })
  await seed.rolledBack({ application: 'travel', name: 'book a trip' })
  await seed.sagaDone()
  await seed.message()
  await seed.active({ application: 'travel', name: 'book a trip' })
  await seed.stuck({ application: 'shop', name: 'place order' })
  await seed.retrying({ application: 'shop', name: 'place order' })
})

describe('the list', () => {
  test('shows transactions, the newest first, in both themes and languages', async () => {
    const page = await listed('')
    await page.getByRole('table', { name: t.title }).waitFor()
    await until('many rows', async () => (await rowsOf(page)).length > 10)
    await page.getByText(shared.en.stuck, { exact: true }).first().waitFor()
    await axe(page)
    await shot(page, 'transactions')
    const chinese = await listed('', { lang: 'zh' })
    await chinese.getByRole('heading', { name: all.zh.title, level: 1 }).waitFor()
    await axe(chinese)
  })

  test('is empty at first, and a viewer is told so', async () => {
    const server = await another({ dev: false })
    const page = await open('/transactions', { server, role: 'viewer' })
    await page.getByText(t.emptyTitle).waitFor()
    await axe(page)
  })

  test('says that it loads, that it cannot, and loads when asked again', async () => {
    const page = await open('about:blank')
    expectNoise(page, /status of 500/)
    let answer: () => void = () => undefined
    const asked = new Promise<void>((done) => {
      answer = done
    })
    let broken = true
    await page.route('**/api/v1/transactions?*', async (route) => {
      await asked
      if (!broken) return route.continue()
      return route.fulfill({
        status: 500,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          title: 'The disk is on fire.',
          code: 'internal',
          status: 500,
          requestId: 'r-1',
        }),
      })
    })
    await page.goto(`${(await dev()).base}/transactions`)
    await page.getByRole('status', { name: shared.en.loading }).first().waitFor()
    await axe(page)
    answer()
    const alert = page.getByRole('alert')
    await alert.getByText('The disk is on fire.').waitFor()
    await alert.getByText('r-1').waitFor()
    broken = false
    await alert.getByRole('button', { name: shared.en.retry }).click()
    await page.locator('main [data-row]').first().waitFor()
  })

  test('goes on showing rows, marked stale, when the newest cannot be read', async () => {
    const page = await listed('')
    await page.getByText(t.following, { exact: true }).last().waitFor()
    expectNoise(page, /status of 503/)
    await page.route('**/api/v1/transactions?*', (route) =>
      route.fulfill({
        status: 503,
        contentType: 'application/problem+json',
        body: JSON.stringify({ title: 'Away.', status: 503 }),
      }),
    )
    await page.locator('main header').getByText(t.staleMark, { exact: true }).waitFor()
    expect((await rowsOf(page)).length).toBeGreaterThan(10)
    await page.unroute('**/api/v1/transactions?*')
    await page.locator('main header').getByText(t.following, { exact: true }).waitFor()
  })

  test('does not move while new ones come, and shows them when asked', async () => {
    const application = 'coming'
    const first = await seed.committed({ application })
    const page = await listed(`app:${application}`)
    await found(page, [first.id])
    const second = await seed.committed({ application })
    await page.getByText(t.fresh.replace('{count}', '1')).waitFor()
    expect(await rowsOf(page)).toEqual([first.id])
    await axe(page)
    await page.getByRole('button', { name: t.showNew }).click()
    await found(page, [second.id, first.id])
    await page.getByText(t.fresh.replace('{count}', '1')).waitFor({ state: 'hidden' })
  })

  test('shows in place what becomes of its rows, and which do not match any more', async () => {
    const application = 'ending'
    const one = await seed.active({ application })
    const page = await listed(`live app:${application}`)
    await (await dev()).client().post(`/transactions/${one.id}/commit`)
    await page.getByText(t.goneSome.replace('{count}', '1')).waitFor()
    await attribute(page.locator(`[data-row="${one.id}"]`), 'data-dimmed', 'true')
    await axe(page)
    await page.getByRole('button', { name: t.showNew }).click()
    await page.getByText(t.noneTitle).waitFor()
    await axe(page)
  })
})

describe('the search', () => {
  test('is typed with completion, by keyboard alone, and is in the address', async () => {
    const page = await listed('')
    await keys(page).press('/')
    await until('the search has the focus', async () => (await keys(page).focus()).name === t.searchLabel)
    await keys(page).type('stat')
    await page.getByRole('option', { name: /^status:/ }).waitFor()
    await keys(page).press('ArrowDown', 'Enter')
    await keys(page).type('roll')
    await page.getByRole('option', { name: 'status:RolledBack' }).waitFor()
    await axe(page)
    await shot(page, 'transactions-search')
    await keys(page).press('ArrowDown', 'ArrowDown', 'Enter')
    await keys(page).type('app:trav')
    await page.getByRole('option', { name: 'app:travel' }).waitFor()
    await keys(page).press('ArrowDown', 'Enter', 'Enter')
    await until('the address has the search', () => query(page) === 'status:RolledBack app:travel')
    await until('one row', async () => (await rowsOf(page)).length === 1)
    await page.reload()
    await page.locator('main [data-row]').first().waitFor()
    await holds(search(page), 'status:RolledBack app:travel')
    await page.goBack()
    await until('the list before', async () => query(page) === null && (await rowsOf(page)).length > 10)
  })

  test('says what it does not understand, and where', async () => {
    const page = await open('/transactions?q=app%3Ashop%20colour%3Ared')
    await page.getByText(t.unknownKey.replace('{text}', 'colour')).waitFor()
    await page.getByText(t.atPlace.replace('{at}', '10')).waitFor()
    await says(page.locator('main mark'), /^colour:red$/)
    await attribute(search(page), 'aria-invalid', 'true')
    await axe(page)
    await shot(page, 'transactions-wrong')
    await page.getByRole('button', { name: t.clearSearch }).click()
    await page.locator('main [data-row]').first().waitFor()
  })

  test.each([
    ['stuck', (row: string) => row.includes(shared.en.stuck)],
    ['status:Active', (row: string) => row.includes(shared.en.Active)],
    ['kind:HTTP_TCC app:bank', (row: string) => row.includes('bank')],
    ['name:"book a trip"', (row: string) => row.includes('book a trip')],
    ['age<1h live', (row: string) => !row.includes(shared.en.Committed)],
  ])('%s finds what it says', async (text, fits) => {
    const page = await listed(text)
    const rows = await page.locator('main [data-row]').allTextContents()
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.filter((row) => !fits(row))).toEqual([])
  })

  test('finds a saga by its name and key, and one transaction by its xid', async () => {
    const run = await seed.sagaDone()
    const page = await listed(`saga:${run.saga}`)
    await found(page, [run.id])
    await search(page).fill(run.xid)
    await keys(page).press('Enter')
    await found(page, [run.id])
    await search(page).fill('4711471147')
    await keys(page).press('Enter')
    expectNoise(page, /status of 404/)
    await page.getByText(t.noneTitle).waitFor()
  })

  test('is a form as well: each changes the other', async () => {
    const page = await listed('app:bank')
    await page.getByRole('button', { name: t.filtersOf.replace('{count}', '1') }).click()
    await holds(page.getByLabel(t.app, { exact: true }).and(page.locator('input')), 'bank')
    await page.getByRole('checkbox', { name: t.live }).click()
    await holds(search(page), 'app:bank live')
    await page.getByLabel(t.app, { exact: true }).and(page.locator('input')).fill('shop')
    // Leaving the field and ticking the box come in one moment: neither is lost.
    await page.getByRole('checkbox', { name: t.stuck }).click()
    await holds(search(page), 'app:shop live stuck')
    await axe(page)
    await shot(page, 'transactions-form')
    await keys(page).press('Escape')
    await search(page).fill('app:bank stuck')
    await keys(page).press('Enter')
    await page.getByRole('button', { name: t.filtersOf.replace('{count}', '2') }).click()
    await page.getByRole('checkbox', { name: t.live, checked: false }).waitFor()
    await page.getByRole('checkbox', { name: t.stuck, checked: true }).waitFor()
    await asks(page, 'q', 'app:bank stuck')
  })

  test('has a range of times', async () => {
    const page = await listed('app:bank')
    await page.getByRole('button', { name: new RegExp(`^${t.timeRange}`) }).click()
    await axe(page)
    await page.getByRole('button', { name: t.last15m }).click()
    await until('the text has it', () => query(page) === 'app:bank age<15m')
    await until('rows', async () => (await rowsOf(page)).length > 5)
    await page.getByRole('button', { name: new RegExp(`^${t.timeRange}`) }).click()
    await page.getByLabel(t.from).fill('2020-01-31T12:00:00')
    await page.getByLabel(t.to).fill('2020-02-01T12:00:00')
    await page.getByRole('button', { name: t.setRange, exact: true }).click()
    await page.getByText(t.noneTitle).waitFor()
    await asks(page, 'q', 'app:bank from:2020-01-31T11:00:00Z to:2020-02-01T11:00:00Z')
  })
})

describe('how it is shown', () => {
  test('columns are chosen and ordered, and stay so', async () => {
    const page = await listed('')
    const headers = (): Promise<string[]> => page.getByRole('columnheader').allTextContents()
    await page.getByRole('button', { name: t.columns, exact: true }).click()
    await page.getByRole('checkbox', { name: t.colGroup, exact: true }).check()
    await page.getByRole('checkbox', { name: t.colNext, exact: true }).uncheck()
    await page.getByRole('button', { name: t.moveUp.replace('{column}', t.colName) }).click()
    await axe(page)
    await shot(page, 'transactions-columns')
    await page.getByRole('switch', { name: t.dense }).click({ force: true })
    await keys(page).press('Escape')
    const wanted = ['', t.colId, t.colName, t.colStatus]
    await until('the order', async () => (await headers()).slice(0, 4).join() === wanted.join())
    await page.reload()
    await page.locator('main [data-row]').first().waitFor()
    await until('the same order', async () => (await headers()).slice(0, 4).join() === wanted.join())
    const header = (name: string) => page.getByRole('columnheader', { name, exact: true })
    await header(t.colGroup).waitFor()
    await gone(header(t.colNext))
    await until('rows are dense', async () => {
      const place = await page.locator('main [data-row]').first().boundingBox()
      return place !== null && place.height < 32
    })
  })

  test('a view is saved, found again, replaced and deleted', async () => {
    const page = await listed('app:bank')
    await page.getByRole('button', { name: t.views, exact: true }).click()
    await page.getByRole('menuitem', { name: t.saveView }).click()
    await axe(page)
    await page.getByLabel(t.viewName).fill('The bank')
    await keys(page).press('Enter')
    await page.getByRole('button', { name: 'The bank' }).waitFor()
    const other = await listed('')
    await other.getByRole('button', { name: t.views, exact: true }).click()
    await axe(other)
    await shot(other, 'transactions-views')
    await other.getByRole('menuitem', { name: 'The bank' }).click()
    await until('its search', () => query(other) === 'app:bank')
    await other.getByRole('button', { name: 'The bank' }).click()
    await other.getByRole('menuitem', { name: t.deleteView.replace('{name}', 'The bank') }).click()
    await other.getByRole('button', { name: t.views, exact: true }).waitFor()
  })

  test('what an operator shares, a viewer sees, and shares nothing himself', async () => {
    const operator = (await secured()).client('operator')
    await operator.post('/views', { list: 'transactions', name: 'Ours', query: 'stuck', shared: true })
    const page = await open('/transactions', { role: 'viewer' })
    await page.getByRole('button', { name: t.views, exact: true }).click()
    await page.getByRole('menuitem', { name: /Ours/ }).click()
    await until('its search', () => query(page) === 'stuck')
    await page.getByRole('button', { name: 'Ours' }).click()
    await page.getByRole('menuitem', { name: t.saveView }).waitFor()
    await gone(page.getByRole('menuitem', { name: t.deleteView.replace('{name}', 'Ours') }))
    await page.getByRole('menuitem', { name: t.saveView }).click()
    await page.getByRole('checkbox', { name: t.viewShare, disabled: true }).waitFor()
    await page.getByText(t.viewShareHelp).waitFor()
  })
})

describe('the keyboard', () => {
  test('moves, selects and opens', async () => {
    const page = await listed('app:bank')
    const ids = await rowsOf(page)
    const current = (): Promise<string | null> =>
      page.evaluate(() => document.activeElement?.getAttribute('data-row') ?? null)
    await keys(page).press('j')
    await until('the first row', async () => (await current()) === ids[0])
    await keys(page).press('j')
    await until('the second row', async () => (await current()) === ids[1])
    await until('the focus is seen', () => keys(page).visible())
    await keys(page).press('x')
    await page.getByText(t.selectedSome.replace('{count}', '1')).waitFor()
    await keys(page).press('k')
    await until('the first row', async () => (await current()) === ids[0])
    await keys(page).press('Escape')
    await page.getByText(t.selectedSome.replace('{count}', '1')).waitFor({ state: 'hidden' })
    await keys(page).press('o')
    await until('the transaction', () => new URL(page.url()).pathname === `/transactions/${ids[0]}`)
    // Back is where one was.
    await page.goBack()
    await until('the row has the focus again', async () => (await current()) === ids[0])
    await keys(page).press('j')
    await until('the row after it', async () => (await current()) === ids[1])
  })

  test('has room for how long it took, and says that it can be scrolled sideways', async () => {
    const page = await open('about:blank', { width: 900 })
    const begun = Date.UTC(2026, 0, 2)
    await page.route(/\/api\/v1\/transactions(\?|$)/, (route) =>
      route.fulfill({
        json: {
          items: [
            {
              xid: 'a:1:7',
              id: '7',
              status: 'Committed',
              name: 'place order',
              application: 'shop',
              beganAt: new Date(begun).toISOString(),
              endedAt: new Date(begun + 635_000).toISOString(),
            },
          ],
        },
      }),
    )
    await page.goto(`${(await dev()).base}/transactions`)
    const cell = page.getByRole('cell', { name: '10 min 35 s' })
    await cell.waitFor()
    await until('it has room', () => cell.evaluate((it) => it.scrollWidth <= it.clientWidth))
    const frame = page.locator('main div:has(> div > [role="table"])').last()
    const more = (side: string): Promise<boolean> =>
      frame.evaluate((it, name) => it.hasAttribute(`data-more-${name}`), side)
    await until('there is more at the right', () => more('right'))
    expect(await more('left')).toBe(false)
    await shot(page, 'transactions-narrow')
    await frame.locator('> div').evaluate((it) => it.scrollTo({ left: it.scrollWidth }))
    await until('there is more at the left', () => more('left'))
    await until('nothing is left at the right', async () => !(await more('right')))
    await page.setViewportSize({ width: 2200, height: 900 })
    await until('all of it is shown', async () => !(await more('left')) && !(await more('right')))
  })
})

describe('many at once', () => {
  test('a viewer is told why he may not', async () => {
    const server = await secured()
    const begun = await server.client('service').post<{ id: string }>('/transactions', {
      application: 'shop',
      name: 'buy',
      timeoutMs: 86_400_000,
      branches: [{ kind: 'topic', topic: 'mails' }],
    })
    const page = await listed('live', { role: 'viewer' })
    await page.locator(`[data-row="${begun.id}"] input`).check()
    const retry = page.getByRole('button', { name: jobs.en.retry, exact: true })
    await barred(retry)
    await retry.hover()
    await page.getByText(shared.en.needsRole.replace('{role}', 'operator')).waitFor()
    await axe(page)
    await shot(page, 'transactions-viewer')
  })

  test('everything is nothing that a job is made of', async () => {
    const page = await listed('')
    await page.getByRole('checkbox', { name: shared.en.selectAll }).check()
    await page.locator('main [data-row] input').first().uncheck()
    await page.getByRole('button', { name: /^Select all .*match$/ }).click()
    await axe(page)
    const retry = page.getByRole('button', { name: jobs.en.retry, exact: true })
    await retry.hover()
    await page.getByText(t.needsFilter).waitFor()
  })

  test.each(['csv', 'ndjson'] as const)('what matches is exported as %s', async (kind) => {
    const page = await listed('app:travel')
    await page.getByRole('button', { name: t.export, exact: true }).click()
    const coming = page.waitForEvent('download')
    await page.getByRole('menuitem', { name: kind === 'csv' ? t.exportCsv : t.exportNdjson }).click()
    const file = await coming
    expect(file.suggestedFilename()).toBe(`concord-transactions.${kind}`)
    const lines = readFileSync(await file.path(), 'utf8')
      .trim()
      .split('\n')
    const rows = kind === 'csv' ? lines.length - 1 : lines.length
    await until('each row is in it', async () => (await rowsOf(page)).length === rows)
    expect(lines.slice(kind === 'csv' ? 1 : 0).every((line) => line.includes('travel'))).toBe(true)
  })
})
