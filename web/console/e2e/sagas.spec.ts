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
  keys,
  open,
  participant,
  secured,
  seed,
  seedOn,
} from './harness.ts'
import { shot, until } from './harness.ts'

/** order is a definition with the steps that are given. */
const order = (name: string, steps: string, more = ''): string => `saga: 1
name: ${name}
title: An order
${more}input:
  type: object
  required: [order, total]
  properties: {order: {type: string, title: Order}, total: {type: number, minimum: 1}, fast: {type: boolean}}
steps:
${steps}`

const reserve = '  - {id: reserve, worker: {task: stock}, compensate: {worker: {task: stock-back}}}\n'
const price = '  - {id: price, worker: {task: prices}, readOnly: true}\n'
const pay = '  - {id: pay, worker: {task: payments}, pivot: true}\n'
const mail = '  - {id: mail, message: {topic: mails, data: {to: "${input.order}"}}}\n'

async function publish(text: string, note: string): Promise<void> {
  await (await api()).post(`/sagas/definitions?note=${encodeURIComponent(note)}`, text)
}

/** A state machine as Seata's designers write it. */
const machine = JSON.stringify({
  Name: 'takeGoods',
  Comment: 'Take the goods',
  StartState: 'Take',
  States: {
    Take: {
      Type: 'ServiceTask',
      ServiceName: 'stock',
      ServiceMethod: 'take',
      CompensateState: 'PutBack',
      Next: 'Done',
    },
    PutBack: { Type: 'ServiceTask', ServiceName: 'stock', ServiceMethod: 'putBack' },
    Done: { Type: 'Succeed' },
  },
})

beforeAll(async () => {
  await publish(order('shop-order', reserve + price + pay), 'the first one')
  await publish(
    order('shop-order', reserve + pay.replace('payments', 'bank') + mail, 'deadline: 2h\n'),
    'with a mail',
  )
  const { name } = await seed.saga()
  await seed.start(name)
  await secured() // whose keys take their time
})

const mark = (page: Page, change: string, path: string) =>
  page.locator(`[data-change="${change}"]:has([data-path="${path}"])`)

describe('the list of definitions', () => {
  test('has each with its newest version, and is searched', async () => {
    const page = await open('/sagas')
    const table = page.getByRole('table', { name: 'Saga definitions' })
    await table.getByRole('link', { name: 'shop-order' }).waitFor()
    await table.getByText('with a mail').waitFor()
    await axe(page)
    await shot(page, 'sagas')
    await page.getByPlaceholder('Name begins with').fill('shop')
    await counts(page.getByRole('row'), 2) // its heading is one, too
    await page.getByPlaceholder('Name begins with').fill('nothing-is-called-so')
    await page.getByText('No saga is called so').waitFor()
    await asks(page, 'prefix', 'nothing-is-called-so')
  })

  test('is empty at first, and says what to do', async () => {
    const fresh = process.env['CONSOLE_DIR']
    const server = await another({ dev: true, args: fresh ? ['--console-dir', fresh] : [] })
    const page = await open('/sagas', { server })
    await page.getByText('No saga is published yet').waitFor()
    await axe(page)
    await shot(page, 'sagas-empty')
  })

  test('says what the server says when it refuses', async () => {
    const page = await open('about:blank')
    expectNoise(page, /status of 500/)
    await page.route('**/api/v1/sagas/definitions?*', (route) =>
      route.fulfill({
        status: 500,
        contentType: 'application/problem+json',
        body: JSON.stringify({ title: 'It went wrong.', code: 'internal', status: 500, requestId: 'req-9' }),
      }),
    )
    await page.goto(`${(await dev()).base}/sagas`)
    await page.getByText('It went wrong.').waitFor()
    await page.getByText('Request req-9').waitFor()
  })

  test('says to a viewer what he may not do', async () => {
    await seedOn(await secured()).saga()
    const page = await open('/sagas', { role: 'viewer' })
    const button = page.getByRole('button', { name: 'Import' })
    await button.waitFor()
    await barred(button)
    await button.focus()
    await page.getByText('This needs the role operator.').waitFor()
    await axe(page)
  })
})

describe('one definition', () => {
  test('is drawn, and its steps are shown as they are written', async () => {
    const page = await open('/sagas/shop-order')
    await page.locator('[data-path="reserve"]').click()
    await page.getByRole('complementary').getByText('stock-back').waitFor()
    await axe(page)
    await shot(page, 'saga')
  })

  test('differs from the version before on the graph and as text', async () => {
    const page = await open('/sagas/shop-order?tab=diff')
    await mark(page, 'added', 'mail').waitFor()
    await mark(page, 'removed', 'price').waitFor()
    await mark(page, 'changed', 'pay').waitFor()
    await page.getByText('besides: deadline').waitFor()
    await axe(page)
    await shot(page, 'saga-difference')
    await page.getByText('As text', { exact: true }).click()
    const sides = page.getByRole('region', { name: 'Difference' })
    await sides.getByText('task: payments').waitFor()
    await sides.getByText('task: bank').waitFor()
    await axe(page)
    await shot(page, 'saga-difference-text')
    await asks(page, 'how', 'text')
  })

  test('has its versions, its text, what was explored, and its runs', async () => {
    const page = await open('/sagas/shop-order?tab=versions')
    await page.getByRole('table', { name: 'Versions' }).getByText('the first one').waitFor()
    await axe(page)
    await page.getByRole('tab', { name: 'Text' }).click()
    await page.getByRole('region', { name: 'Text of shop-order@2' }).getByText('deadline: 2h').waitFor()
    await axe(page)
    await page.getByRole('tab', { name: 'Explored' }).click()
    await page.getByText('Every path ends done or compensated.').waitFor()
    await axe(page)
    await shot(page, 'saga-explored')
    await page.getByRole('tab', { name: 'Runs' }).click()
    await page.getByText('No run fits').waitFor()
  })

  test('of which there is none says so', async () => {
    const page = await open('about:blank')
    expectNoise(page, /status of 404/)
    await page.goto(`${(await dev()).base}/sagas/nobody-knows-it`)
    await page.getByText('No such saga is published').waitFor()
    await axe(page)
  })

  test('is started by a form, by the keyboard alone; the server judges the input', async () => {
    const page = await open('/sagas/shop-order')
    expectNoise(page, /status of 422/)
    const hand = keys(page)
    await page.getByRole('button', { name: 'Start a run' }).waitFor()
    await hand.to('Start a run')
    await hand.press('Enter')
    await page.getByRole('dialog').getByLabel('Order').waitFor()
    await hand.to(/^Order/)
    await hand.type('o-77')
    await hand.to(/^total/)
    await hand.type('0')
    await hand.press('Enter')
    await page.getByRole('dialog').getByRole('alert').waitFor()
    await axe(page, { within: '[role="dialog"]' })
    await shot(page, 'saga-start')
    await hand.to(/^total/, { key: 'Shift+Tab' })
    await hand.press('Control+a')
    await hand.type('12.5')
    await hand.press('Enter')
    await page.getByText('The run has begun.').waitFor()
    await hand.to(/^Open run/)
    await hand.press('Enter')
    await until('the run is shown', () => /^\/runs\/\d+$/.test(new URL(page.url()).pathname))
    await page.locator('[data-state] [data-path="reserve"]').waitFor()
  })

  test('has its runs moved to another version, after each was judged', async () => {
    const client = await api()
    await publish(order('moving', reserve + pay), 'one')
    const input = { order: 'o', total: 2 }
    const { xid } = await client.post<{ xid: string }>('/sagas/runs', { saga: 'moving', input })
    await publish(order('moving', reserve + pay + mail), 'two')
    const page = await open('/sagas/moving?version=1')
    await page.getByRole('button', { name: 'Move runs' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Check' }).click()
    await dialog.getByText('1 safe, 0 need a mapping, 0 must stay').waitFor()
    expect((await client.get<{ version: number }>(`/sagas/runs/${xid}`)).version).toBe(1)
    await axe(page, { within: '[role="dialog"]' })
    await shot(page, 'saga-move')
    await dialog.getByRole('button', { name: 'Move what is safe (1)' }).click()
    await dialog.getByText('1 moved, 0 stayed').waitFor()
    expect((await client.get<{ version: number }>(`/sagas/runs/${xid}`)).version).toBe(2)
  })
})

describe('an import', () => {
  test('of a state machine of Seata: what it calls is bound, then it is published', async () => {
    const page = await open('/sagas?import=true')
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Or paste its text').fill(machine)
    await dialog.getByRole('button', { name: 'Check' }).click()
    await dialog.getByText('Recognised as Seata state machine').waitFor()
    await dialog.getByText('to be bound').first().waitFor()
    await dialog.getByLabel('Where All others is').fill((await participant()).url('/{service}/{method}'))
    await dialog.getByRole('button', { name: 'Check' }).click()
    await dialog.getByText('bound', { exact: true }).first().waitFor()
    await axe(page, { within: '[role="dialog"]' })
    await shot(page, 'saga-import')
    await dialog.getByRole('button', { name: 'Publish' }).click()
    await dialog.getByText('takeGoods is published as version 1.').waitFor()
    await dialog.getByRole('link', { name: 'Open takeGoods' }).click()
    await page.locator('[data-path="PutBack"]').waitFor()
    await axe(page)
  })

  test('of what is not sound says where and why, and can be kept as a draft', async () => {
    const page = await open('/sagas?import=true')
    const dialog = page.getByRole('dialog')
    const wrong = order('not-sound', reserve.replace('{task: stock}', '{task: stock, taks: 1}'))
    await dialog.getByLabel('Or paste its text').fill(wrong)
    await dialog.getByRole('button', { name: 'Check' }).click()
    await dialog.getByRole('list', { name: 'Findings' }).getByText('unknown-key').waitFor()
    await barred(dialog.getByRole('button', { name: 'Publish' }))
    await dialog.getByRole('button', { name: 'Keep as a draft' }).click()
    await dialog.getByText('It is kept as the draft not-sound.').waitFor()
    await keys(page).press('Escape')
    await page.getByRole('link', { name: 'not-sound' }).waitFor()
  })
})
