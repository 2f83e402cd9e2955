import { test } from 'vitest'
import { api, axe, dev, gone, open, shot } from './harness.ts'
import { failing, saysTrouble } from './harness/states.ts'

test('one click brings every screen to life', async () => {
  const page = await open('/playground')
  await page.getByRole('button', { name: 'Bring everything to life' }).click()
  const runs = page.getByRole('region', { name: 'Under way and done' })
  await runs.getByText('running').waitFor()
  await axe(page)
  await shot(page, 'playground')
  for (const [path, sign] of [
    ['/inbox', /stuck|refuse|letter/i],
    ['/runs', /sample-/],
    ['/sagas', /sample-/],
    ['/transactions', /sample-/],
    ['/events?tab=letters', /mailbox/],
  ] as const) {
    await page.goto((await dev()).base + path)
    await page.getByRole('main').getByText(sign).first().waitFor() // letters take some attempts
  }
  // What was begun above may be over by now; this goes on for as long as a test may take.
  await (await api()).post('/playground/load', { rate: 1, seconds: 600 })
  await page.goto((await dev()).base + '/playground')
  await page.getByRole('button', { name: /^Stop/ }).first().click()
  await runs.getByRole('listitem').first().waitFor()
  await gone(runs.getByText('running'))
})

test('a failure on request, by keyboard', async () => {
  const page = await open('/playground')
  const card = page
    .getByRole('listitem')
    .filter({ has: page.getByRole('heading', { name: 'An order with two branches' }) })
  await card.getByLabel('What goes wrong').focus()
  await page.keyboard.press('a')
  await card.getByLabel('What goes wrong').selectOption('refuse')
  await card.getByRole('button', { name: /^Start/ }).focus()
  await page.keyboard.press('Enter')
  const run = page.getByRole('region', { name: 'Under way and done' }).getByRole('listitem').first()
  await run.getByText('An order with two branches').waitFor()
  await run.getByText('1 begun').waitFor()
  await run.getByRole('link', { name: 'newest' }).click()
  await page.waitForURL(/\/transactions\/\d+/)
})

test('what the server refuses is said', async () => {
  const page = await open('about:blank')
  await failing(page, /\/api\/v1\/playground\/message/)
  await page.goto((await dev()).base + '/playground')
  await page.getByRole('button', { name: 'Start: A two-phase message' }).click()
  await saysTrouble(page)
})

test('without --dev there is none', async () => {
  const page = await open('/playground', { role: 'admin' })
  await page.getByText('There is no playground here').waitFor()
  await gone(page.getByRole('link', { name: 'Playground' }))
  await axe(page)
})
