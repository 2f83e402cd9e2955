import { beforeAll, expect, test } from 'vitest'
import { asks, axe, dev, expectNoise, gone, keys, open, secured, seedOn, shot } from './harness.ts'

beforeAll(async () => {
  const server = await secured()
  await seedOn(server).group('audited')
  const client = server.client('operator')
  const claim = await client.post<{ id: string }>('/inbox/claims', { item: 'half:a/1/2', note: 'first' })
  await client.post('/inbox/claims', { item: 'half:a/1/2', note: 'second' })
  await client.delete(`/inbox/claims/${claim.id}`)
})

test('entries are filtered in the address, and one shows before and after', async () => {
  const page = await open('/audit', { role: 'viewer' })
  await page
    .getByRole('row', { name: /inbox.release/ })
    .first()
    .waitFor()
  await page.getByRole('textbox', { name: /^Action/ }).fill('inbox.claim')
  await keys(page).press('Enter')
  await gone(page.getByRole('row', { name: /inbox.release/ }))
  await asks(page, 'action', 'inbox.claim')
  await page.getByRole('row', { name: /done/ }).first().click()
  const panel = page.getByRole('complementary', { name: 'The chosen entry' })
  await panel.getByRole('row', { name: /note first second/ }).waitFor()
  await axe(page)
  await shot(page, 'audit')
  await keys(page).press('Escape')
  await gone(panel)
})

test('the chain is verified, also against a hash that was noted', async () => {
  const page = await open('/audit', { role: 'viewer' })
  await page.getByRole('button', { name: 'Verify the chain' }).click()
  await page.getByText('The chain is whole').waitFor()
  await page.getByText('Compare with a hash that was noted').click()
  await page.getByRole('textbox', { name: 'Entry' }).fill('1')
  await page.getByRole('textbox', { name: 'Its hash' }).fill('0'.repeat(64))
  await axe(page)
  await shot(page, 'audit-verify')
  await page.getByRole('button', { name: 'Verify with it' }).click()
  await page.getByText(/The chain is broken at entry/).waitFor()
})

test('it is exported', async () => {
  const page = await open('/audit', { role: 'viewer' })
  for (const [name, type] of [
    [/CSV/, 'csv'],
    [/NDJSON/, 'ndjson'],
  ] as const) {
    const href = await page.getByRole('link', { name }).getAttribute('href')
    const answer = await page.context().request.get((await secured()).base + href)
    expect(answer.status()).toBe(200)
    expect(answer.headers()['content-type']).toContain(type)
    expect(await answer.text()).toContain('inbox.claim')
  }
})

test('nothing matches, and errors are told as the server says them', async () => {
  const page = await open('/audit?who=nobody-of-that-name', { role: 'viewer' })
  await page.getByText('Nothing matches').waitFor()
  await axe(page)
  const bad = await open('about:blank')
  expectNoise(bad, /status of 500/)
  await bad.route(/\/api\/v1\/journal/, (route) =>
    route.fulfill({ status: 500, json: { title: 'The journal is away.', code: 'broken', requestId: 'R-19' } }),
  )
  await bad.goto(`${(await dev()).base}/audit`)
  await bad.getByText('The journal is away.').waitFor()
  await bad.getByText(/R-19/).waitFor()
  await axe(bad)
})
