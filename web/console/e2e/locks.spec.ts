import { test } from 'vitest'
import {
  another,
  axe,
  barred,
  counts,
  dev,
  expectNoise,
  gone,
  keys,
  open,
  seed,
  shot,
  until,
} from './harness.ts'

test('rows are searched, and one says who holds it, who waits, and what can be done', async () => {
  await seed.locked(120)
  const page = await open('/locks')
  await page
    .getByRole('row', { name: /stock 1/ })
    .first()
    .waitFor()
  await page.goto(page.url().replace(/\/locks.*/, '/locks?tab=mistaken'))
  await page.getByText('This page has no part “mistaken”').waitFor()
  await page.getByRole('textbox', { name: 'Table' }).fill('stock')
  await keys(page).press('Enter')
  await until('the address has it', () => new URL(page.url()).searchParams.get('table') === 'stock')
  await page
    .getByRole('row', { name: /stock 2/ })
    .first()
    .click()
  const panel = page.getByRole('complementary', { name: 'The chosen row' })
  const release = panel.getByRole('button', { name: 'Release …' })
  await release.waitFor()
  await barred(release)
  await axe(page)
  await shot(page, 'locks')
  await keys(page).press('Escape')
  await gone(panel)
})

test('the wait graph is drawn, and listed in words', async () => {
  await seed.locked(120)
  const page = await open('/locks?tab=graph')
  await page.getByRole('table', { name: 'Waits' }).waitFor()
  await page.locator('svg rect').first().waitFor()
  await axe(page)
  await shot(page, 'locks-graph')
  await page.goto(`${(await dev()).base}/locks?tab=hottest`)
  await page.getByRole('row', { name: /stock/ }).first().waitFor()
  await page.locator('.uplot').waitFor()
  await axe(page)
  await shot(page, 'locks-hottest')
})

test('a cycle is marked in the drawing and in the list, not by colour alone', async () => {
  const page = await open('about:blank')
  const row = (pk: string) => ({ resource: 'jdbc:mysql://db/shop', table: 'stock', pk })
  const since = '2026-01-01T00:00:00Z'
  const xids = [1, 2, 3].map((n) => `10.0.0.1:8091:188250271537168400${n}`)
  await page.route(/\/api\/v1\/locks\/graph/, (route) =>
    route.fulfill({
      json: {
        nodes: xids.map((xid, n) => ({ xid, application: 'shop', status: 'Active', inCycle: n < 2 })),
        edges: [
          { waiter: xids[0], holder: xids[1], row: row('7'), since, inCycle: true },
          { waiter: xids[1], holder: xids[0], row: row('8'), since, inCycle: true },
          { waiter: xids[2], holder: xids[0], row: row('8'), since },
        ],
        cycles: [[xids[0], xids[1]]],
        edgeCount: 3,
        partial: true,
      },
    }),
  )
  await page.goto(`${(await dev()).base}/locks?tab=graph`)
  await page.getByText(/^A cycle: these transactions/).waitFor()
  await page.getByText(/waits on other nodes could not be read/).waitFor()
  await counts(page.getByRole('row').getByText('in a cycle'), 2)
  await counts(page.locator('path[data-cycle]'), 4)
  await axe(page)
  await shot(page, 'locks-cycle')
})

test('nothing is locked, and errors are told as the server says them', async () => {
  const fresh = process.env['CONSOLE_DIR']
  const server = await another({ dev: true, args: fresh ? ['--console-dir', fresh] : [] })
  const page = await open('/locks', { server })
  await page.getByText('No row is locked').waitFor()
  await axe(page)
  await shot(page, 'locks-empty')
  const bad = await open('about:blank', { server })
  expectNoise(bad, /status of 500/)
  await bad.route(/\/api\/v1\/locks/, (route) =>
    route.fulfill({ status: 500, json: { title: 'The table is away.', code: 'broken', requestId: 'R-18' } }),
  )
  await bad.goto(`${server.base}/locks`)
  await bad.getByText('The table is away.').waitFor()
  await bad.getByText(/R-18/).waitFor()
  await axe(bad)
})
