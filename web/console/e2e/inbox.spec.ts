import { beforeAll, expect, test } from 'vitest'
import { another, asks, axe, counts, dev, expectNoise, gone, keys, open, seed, shot, until } from './harness.ts'
import { hanging } from './harness/states.ts'

beforeAll(async () => {
  await Promise.all([
    seed.stuck({ why: 'no stock' }),
    seed.stuck({ why: 'no stock' }),
    seed.sagaStuck(),
    seed.sagaWaiting('approval'),
  ])
  await seed.deadLetters(3)
})

test('it has all kinds, the oldest first, counted', async () => {
  const page = await open('/inbox')
  await page
    .getByRole('row', { name: /saga approval/ })
    .first()
    .waitFor()
  await page
    .getByRole('row', { name: /dead letter/ })
    .first()
    .waitFor()
  await page.getByRole('button', { name: /^Stuck 3/ }).waitFor()
  await axe(page)
  await shot(page, 'inbox')
  await page.getByRole('button', { name: /^Dead letters/ }).click()
  await asks(page, 'kind', 'letter')
  await gone(page.getByRole('row', { name: /stuck/ }))
})

test('the opened row is marked, and a kind that there is not is said', async () => {
  const page = await open('/inbox?kind=mistaken')
  await page.getByText('There is no kind “mistaken” of items').waitFor()
  const rows = page.getByRole('row', { name: /place order/ })
  await rows.first().click()
  await page.getByRole('complementary', { name: 'The chosen item' }).waitFor()
  await counts(page.locator('main [data-row][aria-current="true"]'), 1)
  await shot(page, 'inbox-opened')
})

test('what is open is not opened twice, and Back leads to its row', async () => {
  const page = await open('/inbox?kind=transaction')
  await page.locator('[data-row]').first().waitFor()
  await keys(page).press('j', 'o')
  const panel = page.getByRole('complementary', { name: 'The chosen item' })
  await panel.waitFor()
  const row = await page.locator('[data-row][aria-current="true"]').getAttribute('data-row')
  const deep = await page.evaluate(() => history.length)
  await keys(page).press('o', 'o')
  expect(await page.evaluate(() => history.length)).toBe(deep)
  await page.goBack()
  await gone(panel)
  await until(
    'its row has the focus',
    async () => (await page.evaluate(() => document.activeElement?.getAttribute('data-row'))) === row,
  )
})

test('in Chinese and narrow', async () => {
  const page = await open('/inbox', { lang: 'zh', width: 900 })
  await page.getByRole('row', { name: /死信/ }).first().waitFor()
  await axe(page)
  await shot(page, 'inbox-zh')
})

test('dead letters are looked at, and replayed together at a rate', async () => {
  const page = await open('/inbox?kind=letter')
  await page
    .getByRole('row', { name: /dead letter/ })
    .first()
    .waitFor()
  await page
    .getByRole('row', { name: /dead letter/ })
    .first()
    .click()
  const panel = page.getByRole('complementary', { name: 'The chosen item' })
  await panel.getByRole('region', { name: 'The event' }).waitFor()
  await axe(page)
  await shot(page, 'inbox-letter')
  await keys(page).press('Escape')
  await gone(panel)
  await page.getByRole('checkbox', { name: 'Select all that are loaded' }).click()
  await page.getByRole('button', { name: /^Replay \d+ …/ }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox', { name: 'Letters a second' }).fill('50')
  await dialog.getByRole('button', { name: 'Replay them' }).click()
  await dialog.locator('[data-over="true"]').waitFor()
  await dialog.getByText(/are delivered to their groups again/).waitFor()
})

test('equal ones become a job', async () => {
  const page = await open('/inbox?kind=transaction')
  await page
    .getByRole('row', { name: /place order/ })
    .first()
    .click()
  await page.getByRole('button', { name: 'Select them all' }).click()
  await page.getByRole('button', { name: 'Retry 2 as a job …' }).click()
  await page.getByRole('dialog').waitFor()
})

test('a saga is answered by a person', async () => {
  const page = await open('/inbox?kind=wait')
  await page
    .getByRole('row', { name: /saga approval/ })
    .first()
    .click()
  await page.getByRole('button', { name: 'Approve …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Approve it' }).click()
  await dialog.getByText(/The approval is stored/).waitFor()
})

test('it is empty where nothing needs a person', async () => {
  const page = await open('/inbox', { server: await another({ dev: true, args: freshArgs() }) })
  await page.getByText('Nothing needs a person').waitFor()
  await axe(page)
  await shot(page, 'inbox-empty')
})

test('a part that fails is named with the words of the server, and the others are there', async () => {
  const page = await open('about:blank')
  expectNoise(page, /status of 500/)
  await page.route(/\/api\/v1\/approvals/, (route) =>
    route.fulfill({
      status: 500,
      contentType: 'application/problem+json',
      json: { title: 'The store is away.', code: 'broken', requestId: 'R-17', status: 500 },
    }),
  )
  await page.goto(`${(await dev()).base}/inbox`)
  await page.getByText('The store is away.').waitFor()
  await page.getByText(/R-17/).waitFor()
  await page.getByRole('row', { name: /stuck/ }).first().waitFor()
  await axe(page)
})

test('while nothing is there yet it says so', async () => {
  const page = await open('about:blank')
  const go = await hanging(page, /\/api\/v1\/(transactions\?|approvals|inbox|events|decisions)/)
  await page.goto(`${(await dev()).base}/inbox`)
  await page.getByRole('status', { name: 'Loading' }).first().waitFor()
  go()
  await page.getByRole('row', { name: /stuck/ }).first().waitFor()
})

function freshArgs(): string[] {
  const fresh = process.env['CONSOLE_DIR']
  return fresh ? ['--console-dir', fresh] : []
}
