import { expect, test } from 'vitest'
import { another, axe, counts, dev, open, seed, shot, until } from './harness.ts'
import { failing, hanging, saysTrouble } from './harness/states.ts'

test('a server on which nothing has happened leads to the playground', async () => {
  const page = await open('/', { server: await another({ dev: true }) })
  await page.getByText('Nothing has happened here yet').waitFor()
  await axe(page)
  await shot(page, 'overview-first')
  await page.getByRole('main').getByRole('link', { name: 'Open the playground' }).click()
  await page.getByRole('heading', { level: 1, name: 'Playground' }).waitFor()
})

test('numbers, charts, health and hottest keys, each leading to its list', async () => {
  await seed.everything()
  const client = (await dev()).client()
  await until('a chart has something to show', async () => {
    const told = await client.get<{ items: { committed: number }[] }>('/overview/history')
    return told.items.filter((point) => point.committed > 0).length > 15
  })
  const page = await open('/?minutes=1')
  await page.getByRole('figure', { name: 'Transactions per second by outcome' }).waitFor()
  const stuck = page.getByRole('link', { name: /^Stuck/ })
  await until('stuck ones are counted', async () => !/Stuck\s*0/.test((await stuck.textContent()) ?? ''))
  await counts(page.locator('main canvas'), 2)
  await page.getByRole('region', { name: 'Health' }).getByText('good').first().waitFor()
  await until('rows are hot', async () => (await page.locator('main meter').count()) > 0)
  await axe(page)
  await shot(page, 'overview')
  await page.getByText('15 min', { exact: true }).click()
  await until('the window is in the address', () => Promise.resolve(page.url().includes('minutes=15')))
  await stuck.click()
  await page.waitForURL(/\/inbox\?kind=transaction/)
  await page.getByRole('button', { name: /^Stuck/, pressed: true }).waitFor()
  await page.goto((await dev()).base)
  await page.getByRole('link', { name: /^Lock waits/ }).click()
  await page.getByRole('tab', { name: 'Wait graph', selected: true }).waitFor()
})

test('charts are filled after a reload, from what the node has kept', async () => {
  await seed.committed()
  const points = await until('the node has kept some seconds', async () => {
    const told = await (await dev()).client().get<{ items: { committed: number }[] }>('/overview/history')
    return told.items.some((point) => point.committed > 0) ? told.items : undefined
  })
  expect(points.length).toBeGreaterThan(0)
})

test('what cannot be had is said where it is missing, and the rest stays', async () => {
  const page = await open('about:blank')
  await failing(page, /\/api\/v1\/cluster/)
  await page.goto((await dev()).base)
  await saysTrouble(page)
  await page.getByRole('link', { name: /^Live/ }).waitFor()
})

test('what is under way has its shape', async () => {
  const page = await open('about:blank')
  const go = await hanging(page, /\/api\/v1\/(cluster|transactions)/)
  await page.goto((await dev()).base)
  await page.getByRole('status', { name: 'Loading' }).first().waitFor()
  go()
  await page.getByRole('region', { name: 'Health' }).getByText('good').first().waitFor()
})

test('in Chinese, as a viewer, and narrow', async () => {
  const page = await open('/', { role: 'viewer', lang: 'zh', width: 640 })
  await page.getByRole('heading', { level: 1, name: '总览' }).waitFor()
  await page.getByText('只读').waitFor()
  await axe(page)
  await until('it is no wider than the window', () =>
    page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
  )
})
