import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { words as all } from '../src/pages/jobs/words.ts'
import { words as list } from '../src/pages/transactions/words.ts'
import { words as shared } from '../src/shared/words.ts'
import {
  another,
  asks,
  axe,
  barred,
  counts,
  dev,
  expectNoise,
  isAt,
  keys,
  open,
  secured,
  seed,
  shot,
  until,
} from './harness.ts'

const t = all.en

const path = (page: Page): string => new URL(page.url()).pathname

/** shown chooses which results are shown. */
async function shown(page: Page, result: string): Promise<void> {
  await page.getByRole('radiogroup', { name: t.filterResults }).locator('label', { hasText: result }).click()
}

/** selected opens the list of a search with all of its rows selected. */
async function selected(q: string, options: Parameters<typeof open>[1] = {}): Promise<Page> {
  const page = await open(`/transactions?q=${encodeURIComponent(q)}`, options)
  await page.locator('main [data-row]').first().waitFor()
  await page.getByRole('checkbox', { name: shared.en.selectAll }).check()
  return page
}

describe('a job', () => {
  test('is planned, explained, started, and says what became of each', async () => {
    const application = 'closed'
    const held = await Promise.all([1, 2, 3].map(() => seed.stuck({ application })))
    const page = await selected(`stuck app:${application}`)
    await page.getByText(list.en.selectedSome.replace('{count}', '3')).waitFor()
    await axe(page)
    await shot(page, 'transactions-selected')
    await page.getByRole('button', { name: t.retry, exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog
      .getByText(t.becomes.replace('{from}', shared.en.Committing).replace('{to}', shared.en.Committed))
      .waitFor()
    const start = dialog.getByRole('button', { name: /^Start/ })
    await start.click()
    await dialog.getByText(t.reasonMissing).waitFor()
    await isAt(page, '/transactions')
    await axe(page)
    await shot(page, 'job-plan')
    expect((await seed.transaction(held[0]!.id)).stuck).toBe(true)
    for (const one of held.slice(0, 2)) one.mend()
    await dialog.getByLabel(t.reason).fill('the warehouse is open again')
    await start.click()
    await until('the job', () => path(page).startsWith('/jobs/'))
    await page.locator('main').getByText(t.done, { exact: true }).first().waitFor()
    // Accepted is not the end: one of them is refused again, and the heading counts it.
    await until('how they are now', async () => {
      const rows = await page.locator('main [data-row]').allTextContents()
      const now = rows.map((row) =>
        row.includes(shared.en.stuck) ? 'stuck' : row.includes(shared.en.Committed) ? 'done' : '',
      )
      return now.toSorted().join() === 'done,done,stuck'
    })
    await counts(page.locator('main [data-row]').getByText(t.resultDone), 3)
    await page.getByText(t.nowOf.replace('{n}', '3')).waitFor()
    await page.getByText(`1 ${t.stuckAgain}`).waitFor()
    await page.getByText(`2 ${shared.en.Committed}`).waitFor()
    await axe(page)
    await shot(page, 'job')
    await page.getByText('the warehouse is open again').waitFor()
  })

  test('on all that match shows what is passed over, and its results are filtered and exported', async () => {
    const application = 'mixed'
    await Promise.all([1, 2].map(() => seed.active({ application })))
    const stuck = await seed.stuck({ application })
    const page = await selected(`live app:${application}`)
    await page.locator(`[data-row="${stuck.id}"] input`).uncheck()
    await page.getByRole('button', { name: list.en.selectAllOf.replace('{count}', '3') }).click()
    await page.getByText(list.en.selectedAllOf.replace('{count}', '3')).waitFor()
    await page.getByRole('button', { name: t.rollback, exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(t.factRefusedHelp).waitFor()
    await dialog.getByLabel(t.reason).fill('a test')
    // One moves on after the plan.
    const { items } = await (await dev())
      .client()
      .get<{ items: { id: string }[] }>(`/transactions?status=Active&application=${application}`)
    await (await dev()).client().post(`/transactions/${items[0]!.id}/commit`)
    await dialog.getByRole('button', { name: /^Start/ }).click()
    await until('the job', () => path(page).startsWith('/jobs/'))
    await page.locator('main [data-row]').getByText(t.resultMoved).waitFor()
    await shown(page, t.resultMoved)
    await counts(page.locator('main [data-row]'), 1)
    await asks(page, 'result', 'moved')
    await axe(page)
    await page.getByRole('button', { name: t.export }).click()
    const coming = page.waitForEvent('download')
    await page.getByRole('menuitem', { name: t.exportCsv }).click()
    const lines = readFileSync(await (await coming).path(), 'utf8')
      .trim()
      .split('\n')
    expect(lines.length).toBe(2)
    expect(lines[1]).toMatch(new RegExp(`:${items[0]!.id},moved,otherOutcomeDecided,`))
    await shown(page, t.resultFailed)
    await page.getByText(t.noItems).waitFor()
  })

  test('is followed while it runs, and stopped', async () => {
    const count = 60 // seconds, in which all that follows is done
    const job = await seed.jobRunning(count)
    const page = await open(`/jobs/${job.id}`)
    await page.locator('main').getByText(t.running, { exact: true }).waitFor()
    const bar = page.getByRole('progressbar')
    const at = async (): Promise<number> => Number(await bar.getAttribute('aria-valuenow'))
    const before = await at()
    await until('it goes on', async () => (await at()) > before)
    await axe(page)
    await shot(page, 'job-running')
    await page.getByRole('button', { name: t.cancel }).click()
    await page.locator('main').getByText(t.cancelled, { exact: true }).waitFor()
    expect(await at()).toBeLessThan(count)
  })

  test('that is only planned is started later, from its page', async () => {
    const application = 'later'
    const held = await seed.stuck({ application })
    const job = await seed.jobPlanned(application)
    const page = await open(`/jobs/${job.id}`)
    await page.getByText(t.plan, { exact: true }).waitFor()
    held.mend()
    await page.getByRole('button', { name: t.start, exact: true }).click()
    await page.getByRole('dialog').waitFor()
    await axe(page)
    await until('the reason has the focus', async () => (await keys(page).focus()).role === 'textbox')
    await keys(page).type('open again')
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Start/ })
      .click()
    await page.locator('main [data-row]').getByText(shared.en.Committed).waitFor()
  })

  test('that needs two people waits for the second', async () => {
    const application = 'two-people'
    const held = await seed.stuck({ application })
    const page = await selected(`stuck app:${application}`)
    // What needs two people is release, and rows to release come from Seata's clients alone.
    await page.route('**/api/v1/jobs/*/start', (route) =>
      route.fulfill({ status: 202, json: { approval: { id: 'a-1', state: 'pending', action: 'release' } } }),
    )
    await page.getByRole('button', { name: t.retry, exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel(t.reason).fill('ticket 4711')
    await dialog.getByRole('button', { name: `${t.startThis.split(':')[0]}: ${t.retry} 1` }).click()
    await dialog.getByText(t.secondPerson, { exact: true }).waitFor()
    await axe(page)
    await isAt(page, '/transactions')
    expect((await seed.transaction(held.id)).stuck).toBe(true)
    await dialog.getByRole('link', { name: t.toInbox }).click()
    await until('the inbox', () => path(page) === '/inbox')
  })

  test('that nothing can be done by is not started, and its plan is dropped', async () => {
    const application = 'nothing-to-do'
    await seed.committed({ application })
    const page = await selected(`app:${application}`)
    await page.getByRole('button', { name: t.rollback, exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(t.nothing).first().waitFor()
    await dialog.getByLabel(t.reason).fill('ticket 4711')
    await barred(dialog.getByRole('button', { name: /^Start/ }))
    await keys(page).press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    type Jobs = { items: { state: string; filter: object; total: number; named?: number }[] }
    await until('the plan is dropped', async () => {
      const { items } = await (await dev()).client().get<Jobs>('/jobs')
      return items.some((job) => job.total === 0 && job.named === 1 && job.state === 'cancelled')
    })
  })
})

describe('the list of jobs', () => {
  test('shows their states and progress, and leads to each by keyboard', async () => {
    const page = await open('/jobs')
    await page.locator('main [data-row]').first().waitFor()
    await axe(page)
    await shot(page, 'jobs')
    await keys(page).press('j', 'o')
    await until('a job', () => /^\/jobs\/./.test(path(page)))
    const chinese = await open('/jobs', { lang: 'zh' })
    await chinese.getByRole('heading', { name: all.zh.title, level: 1 }).waitFor()
    await chinese.locator('main [data-row]').first().waitFor()
    await axe(chinese)
  })

  test('is empty at first', async () => {
    const page = await open('/jobs', { server: await another({ dev: false }), role: 'viewer' })
    await page.getByText(t.emptyTitle).waitFor()
    await axe(page)
  })

  test('says an error in the words of the server', async () => {
    const page = await open('about:blank')
    expectNoise(page, /status of 500/)
    await page.route('**/api/v1/jobs?*', (route) =>
      route.fulfill({
        status: 500,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          title: 'The disk is on fire.',
          code: 'internal',
          status: 500,
          requestId: 'r-1',
        }),
      }),
    )
    await page.goto(`${(await dev()).base}/jobs`)
    await page.getByRole('alert').getByText('The disk is on fire.').waitFor()
  })

  test('an unknown job is one, and loading is shown', async () => {
    const page = await open('/jobs/none')
    expectNoise(page, /status of 404/)
    await page.getByRole('alert').getByText('jobNotFound').waitFor()
    await axe(page)
  })
})

test('a viewer sees a job, and starts and stops none', async () => {
  const server = await secured()
  const client = server.client()
  await client.post('/transactions', {
    application: 'shop',
    name: 'buy',
    timeoutMs: 86_400_000,
    branches: [{ kind: 'topic', topic: 'mails' }],
  })
  const job = await client.post<{ id: string }>('/jobs', { action: 'rollback', filter: { live: true } })
  const page = await open(`/jobs/${job.id}`, { role: 'viewer' })
  for (const name of [t.start, t.cancelPlan]) {
    await barred(page.getByRole('button', { name, exact: true }))
  }
  await axe(page)
})
