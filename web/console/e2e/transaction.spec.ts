import { expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import {
  api,
  asks,
  axe,
  barred,
  counts,
  dev,
  expectNoise,
  fourEyes,
  gone,
  keys,
  open,
  Refusal,
  says,
  seed,
  seedOn,
  shot,
  until,
} from './harness.ts'

const fault = {
  status: 500,
  contentType: 'application/problem+json',
  body: JSON.stringify({
    title: 'The store does not answer.',
    status: 500,
    code: 'storeAway',
    requestId: 'r-4711',
  }),
}

/** lane is the row of the timeline with this title. */
const lane = (page: Page, title: string) => page.locator('[data-lane]').filter({ hasText: title })

test('a stuck transaction says why, and shows each attempt', async () => {
  const stuck = await seed.stuck({ why: 'the warehouse is closed' })
  const page = await open(`/transactions/${stuck.id}`)
  await page.getByRole('heading', { name: `Transaction ${stuck.id}` }).waitFor()
  await page
    .getByText(/the warehouse is closed/)
    .first()
    .waitFor()
  await lane(page, 'Coordinator').waitFor()
  await until('each has its lane', async () => (await page.locator('[data-lane]').count()) >= 4)
  await counts(page.locator('[data-lane][data-failed="true"]'), 1)
  await page.getByText('Decision topic').waitFor()
  await axe(page)
  await shot(page, 'transaction')
})

test('the timeline by keyboard alone, with its state in the address', async () => {
  const stuck = await seed.stuck()
  const page = await open(`/transactions/${stuck.id}`)
  const k = keys(page)
  await lane(page, 'Coordinator').waitFor()
  await page.locator('[data-timeline]').focus()
  await k.press('ArrowRight', 'ArrowDown', 'ArrowRight')
  await page.locator('[data-details]').waitFor()
  await until('the address has the item', async () => new URL(page.url()).searchParams.has('item'))
  await k.press('+', '+', 'Shift+ArrowRight')
  await until('the address has the view', async () => new URL(page.url()).searchParams.has('view'))
  await page.reload()
  await page.locator('[data-details]').waitFor()
  await page.locator('[data-timeline]').focus()
  await k.press('0', 'Escape')
  await until('the address is plain again', async () => new URL(page.url()).search === '')
  await page.getByLabel('Failed only').check()
  await counts(page.locator('[data-lane]'), 1)
  await page.getByLabel('Failed only').uncheck()
  await page.getByRole('button', { name: 'Fold Branches' }).click()
  await lane(page, '2 lanes').waitFor()
  await page.getByText('Table', { exact: true }).click()
  await page.getByRole('table', { name: 'Timeline' }).waitFor()
  await page.getByText('Decision: commit. It is durable from here on').first().waitFor()
  await axe(page)
})

test('the state at any moment of its history', async () => {
  const stuck = await seed.stuck()
  const page = await open(`/transactions/${stuck.id}`)
  await page.getByRole('slider', { name: 'At a moment' }).focus()
  await keys(page).press('Home')
  await page.locator('[data-replay]').getByText('active').waitFor()
  await asks(page, 'at', '0')
  await keys(page).press('End')
  await page.locator('[data-replay]').getByText('stuck').waitFor()
  await page.locator('[data-replay]').getByText('refused for good').waitFor()
  await shot(page, 'transaction-replay')
  await page.getByRole('button', { name: 'Back to now' }).click()
  await until('the address has no moment', async () => !new URL(page.url()).searchParams.has('at'))
})

test('what is stored, published, given and done, tab by tab', async () => {
  const done = await seed.committed({ name: 'place order' })
  const page = await open(`/transactions/${done.id}?tab=messages`)
  await page.getByText('Each copy says what is stored, byte by byte the same').waitFor()
  await page.getByRole('tab', { name: /Branches/ }).click()
  await page.getByRole('table', { name: 'Branches' }).getByText('finished').first().waitFor()
  await page.getByRole('tab', { name: 'Payload' }).click()
  await page.getByText('"customer"').waitFor()
  await page.getByRole('tab', { name: 'Locks' }).click()
  await page.getByText('It holds no rows').waitFor()
  await page.getByRole('tab', { name: 'History' }).click()
  await page.getByLabel('Filter by event, branch or text').fill('decided')
  await page.getByText('commitDecided').waitFor()
  await gone(page.getByText('registered', { exact: true }))
  const saved = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Download JSON' }).click()
  expect((await saved).suggestedFilename()).toBe(`${done.id}-history.json`)
  await page.getByRole('tab', { name: 'Audit' }).click()
  const nobody = page.getByText('Nobody has done anything to it')
  await page.getByRole('table', { name: 'Audit' }).or(nobody).first().waitFor()
  await axe(page)
})

test('what a rule hides is said, and not in the page', async () => {
  const client = await api()
  const { id } = await client.post<{ id: string }>('/transactions', {
    name: 'pay',
    timeoutMs: 60_000,
    data: { customer: { name: 'Kim', card: '4111-1111' }, password: 'hunter2' },
  })
  const page = await open(`/transactions/${id}?tab=payload`)
  await page.locator('[data-masked]').getByText('customer.card').waitFor()
  await says(page.locator('main'), 'Kim')
  const text = await page.locator('main').innerText()
  expect(text).not.toMatch(/4111|hunter2/)
  await axe(page)
})

test('a retry is planned, explained, sent and followed, by keyboard alone', async () => {
  const stuck = await seed.stuck()
  const page = await open(`/transactions/${stuck.id}`)
  const k = keys(page)
  const retry = page.getByRole('button', { name: 'Retry now' })
  await until(
    'it is known that it can be done',
    async () => (await retry.getAttribute('aria-disabled')) === null,
  )
  await retry.focus()
  await k.press('Enter')
  const dialog = page.getByRole('dialog', { name: `Retry transaction ${stuck.id}` })
  await dialog.getByText(/Asks 1 participant to commit/).waitFor()
  await dialog.getByText(stuck.xid).waitFor()
  await axe(page)
  await shot(page, 'transaction-plan')
  await k.to(/^Reason/)
  await k.press('Enter')
  await dialog.getByText('Say why: the server wants a reason.').waitFor()
  stuck.mend()
  await k.to(/^Reason/)
  await k.type('the warehouse is open again')
  await k.press('Enter')
  await dialog.getByText('It has ended: committed.').waitFor()
  await dialog.getByText('The server has it, durably, with your reason.').waitFor()
  await axe(page)
  await shot(page, 'transaction-followed')
  await k.press('Enter')
  await dialog.waitFor({ state: 'hidden' })
  expect((await seed.transaction(stuck.id)).status).toBe('Committed')
})

test('an attempt that fails again is never called a success', async () => {
  const stuck = await seed.stuck({ why: 'still closed' })
  const page = await open(`/transactions/${stuck.id}`)
  await page.getByRole('button', { name: 'Retry now' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(/^Reason/).fill('trying')
  await dialog.getByRole('button', { name: 'Retry now' }).click()
  await dialog.getByText(/A participant refuses/).waitFor()
  await dialog.getByText(/still closed/).waitFor()
  await gone(dialog.locator('[data-state="good"]'))
})

test('a plan that is not true any more is shown anew, and nothing is done', async () => {
  const stuck = await seed.stuck()
  const branch = stuck.branches.find((one) => one.state === 'Refused')!.id
  const page = await open(`/transactions/${stuck.id}?tab=branches&branch=${branch}`)
  await page.getByRole('button', { name: 'Skip' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText(/This cannot be taken back/).waitFor()
  await dialog.getByLabel(/^Reason/).fill('booked by hand')
  await dialog.getByLabel(/^Type .* to confirm/).fill('something else')
  await dialog.getByRole('button', { name: 'Skip it' }).click()
  await dialog.getByText(`Type exactly: ${stuck.id}`).waitFor()
  let changed = 0
  await page.route(/\/operations$/, (route) => {
    changed++
    return changed > 1
      ? route.continue()
      : route.fulfill({
          status: 412,
          contentType: 'application/problem+json',
          body: JSON.stringify({ title: 'The transaction has moved on.', status: 412, code: 'planChanged' }),
        })
  })
  expectNoise(page, /412/)
  await dialog.getByLabel(/^Type .* to confirm/).fill(stuck.id)
  await dialog.getByRole('button', { name: 'Skip it' }).click()
  await dialog.getByText(/This is the new plan/).waitFor()
  expect((await seed.transaction(stuck.id)).status).toBe('Committing')
  await dialog.getByRole('button', { name: 'Skip it' }).click()
  await dialog.getByText(/It has ended: committed, heuristic/).waitFor()
  await page.keyboard.press('Escape')
  await page.getByText('heuristic').first().waitFor()
})

test('where two people are needed, the dialog says so and waits for the other', async () => {
  const server = await fourEyes()
  const stuck = await seedOn(server).stuck()
  const branch = stuck.branches.find((one) => one.state === 'Refused')!.id
  const page = await open(`/transactions/${stuck.id}?tab=branches&branch=${branch}`, {
    server,
    role: 'resolver',
  })
  await page.getByRole('button', { name: 'Skip' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(/^Reason/).fill('booked by hand')
  await dialog.getByLabel(/^Type .* to confirm/).fill(stuck.id)
  await dialog.getByRole('button', { name: 'Skip it' }).click()
  await dialog.getByText('A second person is needed').waitFor()
  await shot(page, 'transaction-second-person')
  const admin = server.client('admin')
  const waiting = await admin.get<{ items: { id: string; digest: string; xid?: string }[] }>(
    '/approvals?state=pending',
  )
  const mine = waiting.items.find((one) => one.xid === stuck.xid)!
  await admin.post(`/approvals/${mine.id}/approve`, { digest: mine.digest, reason: 'checked' })
  await dialog.getByText(/Approved by .*, and carried out/).waitFor()
})

test('a viewer sees everything, is told why nothing can be done, and the API says the same', async () => {
  const server = await fourEyes()
  const stuck = await seedOn(server).stuck()
  const page = await open(`/transactions/${stuck.id}`, { server, role: 'viewer' })
  await lane(page, 'Coordinator').waitFor()
  const button = page.getByRole('button', { name: 'Retry now' })
  await barred(button)
  await button.focus()
  await page.getByText('This needs the role operator.').waitFor()
  await keys(page).press('Enter')
  await gone(page.getByRole('dialog'))
  const refused = await server
    .client('viewer')
    .post(`/transactions/${stuck.id}/plan`, { action: 'retry' })
    .catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(Refusal)
  await axe(page)
})

test('it is honest while it loads, when it fails, and where there is nothing', async () => {
  const page = await open('about:blank')
  const base = (await dev()).base
  let answer: () => void = () => {}
  const answered = new Promise<void>((resolve) => (answer = resolve))
  await page.route(/\/api\/v1\/transactions\/4711$/, async (route) => {
    await answered
    await route.fulfill(fault)
  })
  expectNoise(page, /500/)
  await page.goto(`${base}/transactions/4711`)
  await page.getByRole('status', { name: 'Loading' }).first().waitFor()
  answer()
  await page.getByText('The store does not answer.').waitFor()
  await page.getByText(/r-4711/).waitFor()
  await axe(page)
  expectNoise(page, /404/)
  await page.goto(`${base}/transactions/1`)
  await page.getByRole('alert').waitFor()
})

test('two side by side, aligned by the time since their begin', async () => {
  const [good, bad] = [await seed.committed(), await seed.stuck()]
  const page = await open(`/transactions/compare?a=${good.id}&b=${bad.id}`)
  await page.getByText('differs').first().waitFor()
  await counts(page.locator('[data-timeline]'), 2)
  await page.getByLabel('Differences only').check()
  await page.getByRole('rowheader', { name: 'Status' }).waitFor()
  await gone(page.getByRole('rowheader', { name: 'Application' }))
  await axe(page)
  await shot(page, 'transaction-compare')
  await page.goto(new URL('/transactions/compare', page.url()).href)
  await page.getByText('Two transactions side by side').waitFor()
})

test('Chinese', async () => {
  const stuck = await seed.stuck()
  const page = await open(`/transactions/${stuck.id}`, { lang: 'zh' })
  await page.getByRole('tab', { name: '时间线' }).waitFor()
  await lane(page, '协调器').waitFor()
  await axe(page)
})

/** A transaction of 1,000 branches and 5,000 entries. */
function large(): { detail: object; history: object } {
  const began = Date.UTC(2026, 0, 1)
  const at = (ms: number) => new Date(began + ms).toISOString()
  const ids = Array.from({ length: 1000 }, (_, n) => String(n + 1))
  const history = ids.flatMap((branch, n) => [
    { at: at(n), event: 'registered', branch },
    ...[1, 2, 3].map((attempt) => ({
      at: at(2000 + attempt * 900 + n),
      event: 'attemptFailed',
      branch,
      attempt,
      tookMs: 40,
      text: 'status 500',
    })),
    { at: at(8000 + n), event: 'finished', branch, attempt: 4, tookMs: 12 },
  ])
  const detail = {
    xid: '10.0.0.5:8091:5000',
    id: '5000',
    status: 'Committed',
    decision: 'commit',
    cause: 'requested',
    beganAt: at(0),
    decidedAt: at(2000),
    endedAt: at(9000),
    timeoutMs: 60_000,
    application: 'shop',
    outcome: 'done',
    explanation: '',
    branches: ids.map((id) => ({
      id,
      kind: 'TCC',
      resource: `stock-${id}`,
      state: 'Finished',
      attempts: 4,
      registeredAt: at(Number(id)),
    })),
  }
  return { detail, history: { items: history } }
}

/** knownWork has the page make, lay out and drop some elements, and says how many milliseconds that takes at best. */
function knownWork(): number {
  let best = Infinity
  for (let round = 0; round < 5; round++) {
    const before = performance.now()
    const box = document.body.appendChild(document.createElement('div'))
    for (let n = 0; n < 2000; n++) box.appendChild(document.createElement('p')).textContent = `line ${n}`
    const high = box.offsetHeight
    box.remove()
    if (high > 0) best = Math.min(best, performance.now() - before)
  }
  return best
}

test('5,000 entries open within 300 ms', async () => {
  const page = await open('about:blank')
  const { detail, history } = large()
  const tx = '/api/v1/transactions/5000'
  await page.route(
    (url) => url.pathname === tx,
    (route) => route.fulfill({ json: detail }),
  )
  await page.route(
    (url) => url.pathname === `${tx}/history`,
    (route) => route.fulfill({ json: history }),
  )
  await page.route(
    (url) => url.pathname === `${tx}/why`,
    (route) => route.fulfill({ json: { sentence: 'done' } }),
  )
  await page.route(/\/decisions\/5000$/, (route) => route.fulfill({ json: { published: [] } }))
  await page.goto(`${(await dev()).base}/transactions/5000`)
  await lane(page, 'Coordinator').waitFor()
  const times: number[] = []
  const works: number[] = []
  /** slow is how many times slower this machine is than one on which the known piece of work takes its 12 ms. */
  const slow = (): number => Math.max(1, Math.min(...works) / 12)
  // Other tests may have the machine for themselves at times: it counts what is reached while it is free.
  for (let n = 0; n < 20 && (n < 3 || Math.min(...times) >= 300 * slow()); n++) {
    works.push(await page.evaluate(knownWork))
    await page.getByRole('tab', { name: 'Payload' }).click()
    await page.getByText('The client gave no data at the begin.').waitFor()
    times.push(
      await page.evaluate(async () => {
        const tab = [...document.querySelectorAll<HTMLElement>('[role="tab"]')].find((e) =>
          /Timeline/.test(e.innerText),
        )
        const before = performance.now()
        tab?.click()
        while (!document.querySelector('[data-lane] svg rect'))
          await new Promise((drawn) => requestAnimationFrame(drawn))
        return performance.now() - before
      }),
    )
  }
  await until('few lanes are drawn', async () => (await page.locator('[data-lane]').count()) < 60)
  process.stdout.write(
    `5,000 entries: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms, ${slow().toFixed(1)} times slow\n`,
  )
  expect(Math.min(...times)).toBeLessThan(300 * slow())
})
