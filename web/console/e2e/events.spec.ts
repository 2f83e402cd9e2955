import { test } from 'vitest'
import {
  api,
  axe,
  barred,
  dev,
  expectNoise,
  gone,
  open,
  secured,
  seed,
  seedOn,
  shot,
  until,
} from './harness.ts'
import { failing, saysTrouble, telling } from './harness/states.ts'

test('the log opens with the newest, is browsed from an entry, and followed', async () => {
  const before = await seed.committed()
  const last = await seed.committed()
  const page = await open('/events?from=oldest')
  await page.getByRole('row', { name: new RegExp(before.id) }).waitFor()
  await page.goto((await dev()).base + '/events')
  const rows = page.getByRole('row', { name: /io\.concord\.decision\.commit/ })
  await until('the newest is above the one before', async () => {
    const told = await rows.allInnerTexts()
    const place = (id: string) => told.findIndex((text) => text.includes(id))
    return place(last.id) >= 0 && place(last.id) < place(before.id)
  })
  await axe(page)
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').getByText('specversion').waitFor()
  await page.keyboard.press('Escape')
  await page.getByLabel('Follow live').click()
  await page.getByRole('main').getByText('live', { exact: true }).waitFor()
  const next = await seed.committed()
  await page.getByRole('row', { name: new RegExp(next.id) }).waitFor()
  await shot(page, 'events')
})

test('a group is moved and forgotten', async () => {
  await seed.group('books')
  await seed.committed()
  const page = await open('/events?tab=groups')
  await page.getByRole('row', { name: /books/ }).waitFor()
  await axe(page)
  await page.getByRole('button', { name: 'Move books' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText(/It is at entry/).waitFor()
  await dialog.getByRole('textbox', { name: /To/ }).fill('next')
  await axe(page)
  await dialog.getByRole('button', { name: 'Move' }).click()
  await dialog.getByText(/The group is at entry/).waitFor()
  await page.keyboard.press('Escape')
  await gone(dialog)
  await page.getByRole('button', { name: 'Forget books' }).click()
  await dialog.getByRole('textbox').first().waitFor()
  for (const box of await dialog.getByRole('textbox').all()) await box.fill('books')
  await dialog.getByRole('button', { name: /Forget|Delete|Remove/ }).click()
  await until('it is gone', async () => {
    const groups = await (await api()).get<{ items: { name: string }[] }>('/events/groups')
    return !groups.items.some((each) => each.name === 'books')
  })
})

test('dead letters are read, and replayed one by one or many at once', async () => {
  const { group } = await seed.deadLetters(3)
  const page = await open(`/events?tab=letters&group=${group}`)
  await page
    .getByRole('row', { name: /mailbox/ })
    .first()
    .waitFor()
  await axe(page)
  await shot(page, 'events-letters')
  await page
    .getByRole('row', { name: /mailbox/ })
    .first()
    .click()
  await page.getByRole('dialog').getByText('specversion').waitFor()
  await axe(page)
  await page.getByRole('button', { name: 'Discard' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).first().click()
  await page.getByRole('checkbox', { name: 'Select all that are loaded' }).check()
  await page.getByRole('button', { name: /^Replay \d+ selected/ }).click()
  await page.getByText(/\d+ of \d+ replayed, 0 refused/).waitFor()
})

test('a page that was opened before the first letter shows it when it comes', async () => {
  const page = await open('about:blank')
  const letters = (items: object[]) => telling(page, /\/groups\/mail\/deadletters/, { items })
  await telling(page, /\/api\/v1\/events\/deadletters/, {
    items: [
      { group: 'books', letters: 0 },
      { group: 'mail', letters: 1 },
    ],
  })
  await letters([])
  await page.goto((await dev()).base + '/events?tab=letters')
  await page.getByText('There are no dead letters').waitFor()
  await letters([{ id: '1', type: 'committed', attempts: 4, reason: 'no such mailbox' }])
  await page.getByRole('row', { name: /mailbox/ }).waitFor()
})

test('on a broker the groups are its own', async () => {
  const page = await open('about:blank')
  await page.route(/\/api\/v1\/events\/groups/, (route) =>
    route.fulfill({
      status: 409,
      json: { code: 'eventsElsewhere', title: 'The events are on RocketMQ.', status: 409 },
    }),
  )
  expectNoise(page, /status of 409/)
  await page.goto((await dev()).base + '/events?tab=groups')
  await page.getByText('The groups are those of the broker').waitFor()
})

test('nothing, and trouble', async () => {
  const page = await open('about:blank')
  await telling(page, /\/api\/v1\/events\/deadletters/, { items: [] })
  await page.goto((await dev()).base + '/events?tab=letters')
  await page.getByText('There are no dead letters').waitFor()
  await axe(page)
  await failing(page, /\/api\/v1\/events\?/)
  await page.getByRole('tab', { name: 'Log' }).click()
  await saysTrouble(page)
})

test('a viewer may not move, forget or replay', async () => {
  await seedOn(await secured()).group('mail')
  const page = await open('/events?tab=groups', { role: 'viewer' })
  const move = page.getByRole('button', { name: 'Move mail' })
  await move.waitFor()
  await barred(move)
  await move.focus()
  await page.getByText('This needs the role operator.').waitFor()
})
