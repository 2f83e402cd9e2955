import { test } from 'vitest'
import { axe, dev, expectNoise, gone, open, says, seed, shot, until } from './harness.ts'
import { failing, hanging, saysTrouble, telling } from './harness/states.ts'

test('a decision is found by its xid, and compared with what was published', async () => {
  const done = await seed.committed()
  await seed.rolledBack()
  const page = await open(`/decisions?xid=${done.id}`)
  const row = page.getByRole('row', { name: new RegExp(done.id) })
  await row.waitFor()
  await axe(page)
  await page.keyboard.press('j')
  await page.keyboard.press('o')
  const detail = page.getByRole('dialog')
  await detail.getByText('Every copy says what is stored.').waitFor()
  await detail.getByText('io.concord.decision.commit').waitFor()
  await axe(page)
  await shot(page, 'decisions-one')
  await detail.getByRole('link', { name: 'Open the transaction' }).click()
  await page.waitForURL(new RegExp(`/transactions/${done.id}`))
})

test('the newest decisions are at the top', async () => {
  const before = await seed.committed()
  const last = await seed.rolledBack()
  const page = await open('/decisions')
  await until('the newest is above the one before', async () => {
    const told = await page.getByRole('row').allInnerTexts()
    const place = (id: string) => told.findIndex((text) => text.includes(id))
    return place(last.id) >= 0 && place(last.id) < place(before.id)
  })
})

test('decisions are followed as they come, and paused', async () => {
  const page = await open('/decisions?live=true')
  await page.getByText('Waiting for the next decision').waitFor()
  await page.getByRole('main').getByText('live', { exact: true }).waitFor()
  const first = await seed.committed()
  await page.getByRole('row', { name: new RegExp(first.id) }).waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  const second = await seed.rolledBack()
  await page.getByRole('button', { name: 'Go on (1 new)' }).waitFor()
  await gone(page.getByRole('row', { name: new RegExp(second.id) }))
  await page.getByRole('button', { name: /Go on/ }).click()
  await page.getByRole('row', { name: new RegExp(second.id) }).waitFor()
  await axe(page)
  await shot(page, 'decisions')
})

test('the log is read from an offset on', async () => {
  const first = await seed.committed()
  const second = await seed.rolledBack()
  const page = await open(`/decisions?xid=${first.id}`)
  const row = page.getByRole('row', { name: new RegExp(first.id) })
  await row.waitFor()
  const place = (await row.getByText(/^[\w-]+ \/ \d+$/).innerText()).trim()
  await page.getByRole('textbox', { name: 'Xid or its number' }).fill('')
  const from = page.getByRole('textbox', { name: 'From offset or place' })
  await from.fill(place)
  await from.press('Enter')
  const offset = place.replace(/.*\//, '').trim()
  await page.waitForURL((url) => url.searchParams.get('from') === offset && !url.searchParams.has('xid'))
  await page.getByRole('row', { name: new RegExp(second.id) }).waitFor()
  await says(page.getByRole('row').nth(1), first.id)
  await axe(page)
  expectNoise(page, /status of 400/)
  await from.fill('nowhere')
  await from.press('Enter')
  await page.getByText(/from is the number of an entry of the log/).waitFor()
})

test('half messages: none on one machine; those of a cluster with what they mean', async () => {
  const page = await open('/decisions?tab=halves')
  await page.getByText('Nothing is without an end').waitFor()
  await axe(page)
  const half = { broker: 'broker-a', queue: 3, offset: 17, pack: 'n1-9-44', xids: ['10.0.0.1:8091:4711'] }
  await telling(page, /\/api\/v1\/decisions\/halves/, {
    inFlight: 2,
    pending: 5,
    ageMs: 61_000,
    givenUp: [{ ...half, storedAt: '2026-01-01T00:00:00Z' }],
    more: false,
  })
  await page.reload()
  await page.getByRole('row', { name: /n1-9-44.*broker-a \/ 3 \/ 17/ }).waitFor()
  await page.getByText('1 min 1 s').waitFor()
  await axe(page)
})

test('nothing found, trouble, and what is under way', async () => {
  const page = await open('/decisions?xid=1')
  await page.getByText('No decision is like that').waitFor()
  await failing(page, /\/api\/v1\/decisions/)
  await page.reload()
  await saysTrouble(page)
  await page.unrouteAll()
  const go = await hanging(page, /\/api\/v1\/decisions/)
  await page.goto((await dev()).base + '/decisions?outcome=rollback')
  await page.getByRole('status', { name: 'Loading' }).first().waitFor()
  go()
  await page.getByRole('row').first().waitFor()
})

test('a viewer reads them', async () => {
  const page = await open('/decisions', { role: 'viewer', lang: 'zh' })
  await page.getByRole('heading', { level: 1, name: '决议' }).waitFor()
  await axe(page)
})
