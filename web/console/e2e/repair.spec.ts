import { expect, test } from 'vitest'
import { codeOf } from './harness/client.ts'
import { asks, axe, barred, fourEyes, gone, keys, open, says, secured, seedOn, shot, until } from './harness.ts'

test('a stuck transaction is put right from the inbox to its end, by keyboard alone', async () => {
  const server = await secured()
  const stuck = await seedOn(server).stuck({ why: 'the warehouse is closed', name: 'repair by keyboard' })
  const page = await open('/inbox?kind=transaction', { role: 'operator' })
  const hand = keys(page)
  await page.getByRole('row', { name: /repair by keyboard/ }).waitFor()

  // It is found, opened, and taken.
  await until('the row has the focus', async () => {
    await hand.press('j')
    return (await hand.focus()).text.includes('repair by keyboard')
  })
  await until('the focus is seen', () => hand.visible())
  await hand.press('o')
  const panel = page.getByRole('complementary', { name: 'The chosen item' })
  await panel.getByText('the warehouse is closed', { exact: true }).waitFor()
  await asks(page, 'open', `transaction:${stuck.xid}`)
  await hand.to('Note for others')
  await hand.type('calling the warehouse')
  await hand.to('Take it')
  await hand.press('Enter')
  await panel.getByText('You have taken this up').waitFor()
  await axe(page)
  await shot(page, 'inbox-stuck')

  // What is not allowed says why, and does nothing.
  await hand.to(/^Skip branch/)
  await hand.press('Enter')
  await page.getByRole('tooltip').getByText('This needs the role resolver.').waitFor()
  await gone(page.getByRole('dialog'))

  // It is tried again, and the truth is told: it has failed once more.
  const retry = new RegExp(`^Retry transaction ${stuck.id}`)
  await hand.to(retry, { key: 'Shift+Tab' })
  await hand.press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.getByText('What will happen').waitFor()
  await until('the reason has the focus', async () => (await hand.focus()).role === 'textbox')
  await hand.type('the warehouse says it is open')
  await hand.press('Enter')
  await dialog.locator('[data-over="true"]').waitFor()
  await says(dialog, 'the warehouse is closed')
  await shot(page, 'repair-failed')
  await hand.press('Enter')
  await gone(dialog)

  // It is mended, and tried once more.
  stuck.mend()
  await hand.to(retry)
  await hand.press('Enter')
  await dialog.getByText('What will happen').waitFor()
  await until('the reason has the focus', async () => (await hand.focus()).role === 'textbox')
  await hand.type('ticket 4711: it is open now')
  await hand.press('Enter')
  await dialog.locator('[data-over="true"]').waitFor()
  await until(
    'it is committed',
    async () => (await seedOn(server).transaction(stuck.id)).status === 'Committed',
  )
  await hand.press('Enter')
  await gone(page.getByRole('row', { name: /repair by keyboard/ }))
  type Journal = { items: { why: string; name: string }[] }
  await until('it is in the journal', async () => {
    const { items } = await server.client().get<Journal>(`/journal?action=transaction.operate&limit=10`)
    return items.some((one) => one.why === 'ticket 4711: it is open now' && one.name === 'operator')
  })
})

test('the same is refused to a viewer, by the page and by the API', async () => {
  const server = await secured()
  const stuck = await seedOn(server).stuck({ name: 'not for viewers' })
  const page = await open(`/inbox?open=transaction:${stuck.xid}`, { role: 'viewer' })
  const panel = page.getByRole('complementary', { name: 'The chosen item' })
  const button = panel.getByRole('button', { name: `Retry transaction ${stuck.id}` })
  await button.waitFor()
  await barred(button)
  await button.focus()
  await page.getByRole('tooltip').getByText('This needs the role operator.').waitFor()
  await keys(page).press('Enter')
  await gone(page.getByRole('dialog'))
  await barred(panel.getByRole('button', { name: 'Take it' }))
  await shot(page, 'inbox-viewer')
  const viewer = server.client('viewer')
  const body = { action: 'retry', digest: 'x', reason: 'I may not' }
  for (const [path, what] of [
    [`/api/v1/transactions/${stuck.id}/operations`, body],
    [`/api/v1/transactions/${stuck.id}/plan`, { action: 'retry' }],
    ['/api/v1/inbox/claims', { item: `transaction:${stuck.xid}` }],
    ['/api/v1/jobs', { action: 'retry', xids: [stuck.id] }],
  ] as const) {
    const answer = await viewer.send('POST', path, what)
    expect([path, answer.status, codeOf(answer.text)]).toEqual([path, 403, 'roleMissing'])
  }
  expect((await seedOn(server).transaction(stuck.id)).stuck).toBe(true)
})

test('what needs two people is approved by the second one, with the plan shown', async () => {
  const server = await fourEyes()
  const { id, held } = await seedOn(server).approval()
  const own = await open(`/inbox?kind=approval&open=${id}`, { server, role: 'resolver' })
  const blocked = own.getByRole('button', { name: 'Approve …' })
  await blocked.waitFor()
  await until(
    'one does not approve what one has asked for',
    async () => (await blocked.getAttribute('aria-disabled')) === 'true',
  )
  const page = await open(`/inbox?kind=approval&open=${id}`, { server, role: 'second' })
  await page.getByText('booked by hand, ticket 4711', { exact: true }).waitFor()
  await axe(page)
  await shot(page, 'inbox-approval')
  await page.getByRole('button', { name: 'Approve …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('What will happen').waitFor()
  await dialog.getByRole('textbox', { name: /why|reason/i }).fill('I have looked at it')
  await dialog.getByRole('textbox', { name: new RegExp(held.id) }).fill(held.id)
  await dialog.getByRole('button', { name: 'Approve it' }).click()
  await dialog.locator('[data-over="true"]').waitFor()
  await until('it is carried out', async () => (await seedOn(server).transaction(held.id)).stuck !== true)
})
