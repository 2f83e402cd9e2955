import { beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import {
  another,
  api,
  asks,
  axe,
  barred,
  counts,
  dev,
  expectNoise,
  gone,
  holds,
  keys,
  open,
  participant,
} from './harness.ts'
import { secured, seed, seedOn, shot, until } from './harness.ts'

/** step is the step of the graph with this path. */
const step = (page: Page, path: string) => page.locator(`[data-path="${path}"]`)

/** state waits until the graph shows a step in a state. */
async function state(page: Page, path: string, is: string): Promise<void> {
  await page.locator(`[data-state="${is}"]:has([data-path="${path}"])`).waitFor()
}

describe('the list of runs', () => {
  beforeAll(async () => {
    await secured() // whose keys take their time
    await Promise.all([seed.sagaDone(), seed.sagaCompensated(), seed.sagaStuck(), seed.sagaWaiting('signal')])
  })

  test('shows all of them, and what is asked for stands in the address', async () => {
    const page = await open('/runs')
    const table = page.getByRole('table', { name: 'Saga runs' })
    await table.getByText('committed').first().waitFor()
    await table.getByText('rolled back').first().waitFor()
    await axe(page)
    await shot(page, 'runs')
    await page.getByText('Stuck', { exact: true }).first().click()
    await gone(table.getByText('committed'))
    await asks(page, 'stuck', 'true')
    await table.getByText('stuck').first().waitFor()
  })

  test('finds a run by its saga and key, and says when nothing fits', async () => {
    const { name } = await seed.saga()
    const run = await seed.start(name, 'the-key')
    const page = await open('/runs')
    await page.getByPlaceholder('Name of a saga').fill(name)
    await page.getByPlaceholder('Key', { exact: true }).fill('the-key')
    await keys(page).press('Enter')
    await page.getByRole('link', { name: run.id, exact: true }).waitFor()
    await counts(page.getByRole('row'), 2) // its heading is one, too
    await page.getByPlaceholder('Key', { exact: true }).fill('another')
    await keys(page).press('Enter')
    await page.getByText('No run fits').waitFor()
    await page.getByRole('button', { name: 'Show all' }).click()
    await until('no filter', () => new URL(page.url()).search === '')
    const field = page.getByPlaceholder('Name of a saga')
    await holds(field, '')
  })

  test('shows which run is late, live and when it is over', async () => {
    const run = await seed.sagaLate()
    const list = await open('/runs')
    await list.getByText('Late', { exact: true }).click()
    await asks(list, 'late', 'true')
    const row = list.getByRole('row').filter({ hasText: run.id })
    const table = list.getByRole('table', { name: 'Saga runs' })
    await gone(table.getByText('committed'))
    await row.waitFor()
    await row.getByText('late', { exact: true }).hover()
    await list.getByText(/It has gone on for .* after its deadline/).waitFor()
    await axe(list)
    await shot(list, 'runs-late')
    const page = await open(`/runs/${run.id}`)
    await page.getByText('late', { exact: true }).waitFor()
    await page.getByText('Late by').waitFor()
    await axe(page)
    await shot(page, 'run-late')
    await (await api()).post(`/sagas/runs/${run.xid}/signals/paid`, {})
    await page.getByText('committed').first().waitFor()
    await page.getByText('late', { exact: true }).hover()
    await page.getByText(/It was decided .* after its deadline/).waitFor()
    await row.getByText('committed').waitFor()
    await row.getByText('late', { exact: true }).waitFor()
    const chinese = await open('/runs?late=true', { lang: 'zh' })
    await chinese.getByRole('row').filter({ hasText: run.id }).getByText('已逾期').hover()
    await chinese.getByText(/在截止时间 .*后才作出决定/).waitFor()
    await axe(chinese)
    await shot(chinese, 'runs-late-zh')
  })

  test('opens a run by the keyboard', async () => {
    const page = await open('/runs')
    await page.getByRole('table').waitFor()
    await keys(page).press('j', 'o')
    await until('one run', () => /\/runs\/\d+$/.test(new URL(page.url()).pathname))
  })

  test('is empty before anything has run, and says what to do', async () => {
    const server = await another({ dev: true, args: consoleArgs() })
    const page = await open('/runs', { server })
    await page.getByText('No saga has run yet').waitFor()
    await axe(page)
  })

  test('says what the server says when it refuses', async () => {
    const page = await open('about:blank')
    expectNoise(page, /status of 503/)
    await page.route('**/api/v1/sagas/runs?*', (route) =>
      route.fulfill({
        status: 503,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          title: 'The store is away.',
          code: 'storeAway',
          status: 503,
          requestId: 'req-7',
        }),
      }),
    )
    await page.goto(`${(await dev()).base}/runs`)
    await page.getByText('The store is away.').waitFor()
    await page.getByText('Request req-7').waitFor()
    await axe(page)
  })
})

/** consoleArgs has another server serve the console that is tested. */
function consoleArgs(): string[] {
  const fresh = process.env['CONSOLE_DIR']
  return fresh ? ['--console-dir', fresh] : []
}

describe('one run', () => {
  test('is painted on the graph when it was compensated', async () => {
    const run = await seed.sagaCompensated()
    const page = await open(`/runs/${run.id}`)
    await state(page, 'reserve', 'undone')
    await state(page, 'price', 'done')
    await state(page, 'pay', 'refused')
    await state(page, 'ship', 'idle')
    await step(page, 'pay').click()
    await page.getByRole('complementary').getByText('no money').first().waitFor()
    await asks(page, 'step', 'pay')
    await axe(page)
    await shot(page, 'run-compensated')
  })

  test('is the same as a list, and says what happened in words', async () => {
    const run = await seed.sagaCompensated()
    const page = await open(`/runs/${run.id}`)
    await state(page, 'pay', 'refused')
    await page.getByRole('button', { name: 'Show as a list' }).click()
    const list = page.getByRole('list').filter({ hasText: 'Take the money' })
    await list.getByText('refused').first().waitFor()
    await page.getByRole('tab', { name: 'Events' }).click()
    await page.getByRole('cell', { name: 'decided: it is undone' }).waitFor()
    await axe(page)
    await page.getByRole('tab', { name: 'Input and output' }).click()
    await page.getByRole('region', { name: 'Input' }).getByText('12.5').waitFor()
  })

  test("goes on before one's eyes when its signal is sent, by the keyboard alone", async () => {
    const run = await seed.sagaWaiting('signal')
    const page = await open(`/runs/${run.id}`)
    await state(page, 'wait', 'waiting')
    const hand = keys(page)
    await page.getByRole('heading', { name: 'It waits' }).waitFor()
    await hand.to('amount')
    await hand.type('twelve')
    await hand.to('Send the signal')
    await hand.press('Enter')
    await page.getByText('This is no number.').waitFor()
    await hand.to('amount', { key: 'Shift+Tab' })
    await hand.press('Control+a')
    await hand.type('12')
    await axe(page)
    await shot(page, 'run-waiting')
    await hand.to('Send the signal')
    await hand.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText(/is done with this data/).waitFor()
    await dialog.getByText(/"amount": 12/).waitFor()
    expect((await seed.run(run.xid)).status).toBe('Active')
    await axe(page)
    await shot(page, 'run-signal-plan')
    await hand.to('Send it')
    await hand.press('Enter')
    await dialog.getByText('The signal is stored.').waitFor()
    await dialog.locator('[data-over="true"]').waitFor()
    await dialog.getByText('The saga has ended: done.').waitFor()
    await hand.press('Escape')
    await state(page, 'ship', 'done')
    await page.getByText('committed').first().waitFor()
    await gone(page.getByRole('heading', { name: 'It waits' }))
  })

  test('says which button of the dialog does nothing, and why it cannot be moved', async () => {
    const run = await seed.sagaWaiting('signal')
    const page = await open(`/runs/${run.id}`)
    const move = page.getByRole('button', { name: 'Move to a version' })
    await until('there is one version', async () => (await move.getAttribute('aria-disabled')) === 'true')
    await move.focus()
    await page.getByText('There is no other version of this saga.').waitFor()
    await page.getByRole('button', { name: 'Cancel', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Cancel the run' }).waitFor()
    await gone(dialog.getByRole('button', { name: 'Cancel', exact: true }))
    await dialog.getByRole('button', { name: 'Back' }).click()
    await gone(dialog)
    expect((await seed.run(run.xid)).status).toBe('Active')
  })

  test('asks a person, and takes no for an answer', async () => {
    const run = await seed.sagaWaiting('approval')
    const page = await open(`/runs/${run.id}`)
    await page.getByText(/Send order o-/).waitFor()
    await page.getByRole('button', { name: 'Reject', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(/that (is|are) done (is|are) compensated/).waitFor()
    await dialog.getByText('reserve', { exact: true }).waitFor()
    expect((await seed.run(run.xid)).status).toBe('Active')
    await dialog.getByLabel(/Reason/).fill('not this week')
    await dialog.getByRole('button', { name: 'Reject it' }).click()
    await dialog.getByText('The rejection is stored.').waitFor()
    await dialog.getByText('The saga has ended: rolled back.').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).last().click()
    await state(page, 'reserve', 'undone')
    await state(page, 'wait', 'refused')
  })

  test('is resumed from where it is stuck: plan, reason, result', async () => {
    const run = await seed.sagaStuckBehindPivot()
    const page = await open(`/runs/${run.id}`)
    await page.locator('[data-current]:has([data-path="ship"])').waitFor()
    await axe(page)
    await shot(page, 'run-stuck')
    run.mend()
    await page.getByRole('button', { name: 'Resume' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('textbox').first().fill('the roads are free again')
    await dialog.getByRole('button', { name: 'Resume' }).click()
    await dialog.locator('[data-over="true"]').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).last().click()
    await state(page, 'ship', 'done')
  })

  test('has a step skipped with a result', async () => {
    const run = await seed.sagaStuckBehindPivot()
    const page = await open(`/runs/${run.id}?step=ship`)
    await page.getByRole('complementary').getByRole('button', { name: 'Skip' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel(/Result/).fill('{"parcel": "by hand"}')
    await dialog.getByLabel(/Reason/).fill('carried there, ticket 4711')
    await dialog.getByLabel(/Type|type/).fill(run.id)
    await dialog.getByRole('button', { name: 'Skip' }).click()
    await dialog.locator('[data-over="true"]').waitFor()
    await until('it has ended', async () => (await seed.run(run.xid)).status === 'Committed')
  })

  test('has its steps reached by arrow keys', async () => {
    const run = await seed.sagaDone()
    const page = await open(`/runs/${run.id}?step=reserve`)
    await state(page, 'ship', 'done')
    await step(page, 'reserve').focus()
    const hand = keys(page)
    // The graph may still be moved about: both places are of one moment.
    const down = await page.evaluate(() => {
      const [price, reserve] = ['price', 'reserve'].map((id) => document.querySelector(`[data-path="${id}"]`)!)
      return price!.getBoundingClientRect().y > reserve!.getBoundingClientRect().y + 20
    })
    const arrow = down ? 'ArrowDown' : 'ArrowRight'
    await hand.press(arrow, arrow, 'Enter')
    await until('pay is chosen', () => new URL(page.url()).searchParams.get('step') === 'pay')
  })

  test('unfolds its sub-saga', async () => {
    const { name } = await seed.saga()
    const p = await participant()
    p.answer(`/${name}/reserve`, { status: 200, body: { id: 'r' } })
    const client = await api()
    await client.post(
      '/sagas/definitions',
      `saga: 1
name: outer-${name}
steps:
  - id: trip
    title: The whole trip
    subSaga: {saga: ${name}, input: {order: o-1, total: 5}}
`,
    )
    const { xid } = await client.post<{ xid: string }>('/sagas/runs', { saga: `outer-${name}` })
    await until('it is done', async () => (await seed.run(xid)).status === 'Committed')
    const page = await open(`/runs/${xid.slice(xid.lastIndexOf(':') + 1)}`)
    await state(page, 'trip', 'done')
    await page.getByRole('button', { name: `Show the steps of ${name}` }).click()
    await state(page, 'trip/reserve', 'done')
    await axe(page)
    await shot(page, 'run-sub-saga')
  })

  test('that does not exist says so', async () => {
    const page = await open('about:blank')
    expectNoise(page, /status of 404/)
    await page.goto(`${(await dev()).base}/runs/4194399`)
    await page.getByRole('alert').waitFor()
    await axe(page)
  })

  test('asks nobody who may not answer', async () => {
    const waiting = await seedOn(await secured()).sagaWaiting('approval')
    const page = await open(`/runs/${waiting.id}`, { role: 'viewer' })
    const approve = page.getByRole('button', { name: 'Approve' })
    await approve.waitFor()
    await barred(approve)
    await approve.focus()
    await page.getByText(/Only .* may answer this/).waitFor()
  })

  test('says to a viewer why nothing can be done', async () => {
    const run = await seedOn(await secured()).sagaWaiting('signal')
    const page = await open(`/runs/${run.id}`, { role: 'viewer' })
    const cancel = page.getByRole('button', { name: 'Cancel', exact: true })
    await cancel.waitFor()
    await barred(cancel)
    await cancel.focus()
    await page.getByText('This needs the role operator.').waitFor()
    await barred(page.getByRole('button', { name: 'Send the signal' }))
    await axe(page)
  })

  test('speaks Chinese', async () => {
    const run = await seed.sagaStuck()
    const page = await open(`/runs/${run.id}`, { lang: 'zh' })
    await page.getByText('无法补偿').first().waitFor()
    await axe(page)
    await shot(page, 'run-stuck-zh')
  })
})
