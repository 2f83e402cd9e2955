import { describe, expect, test } from 'vitest'
import { templateNames, templateText } from '../src/pages/designer/templates.ts'
import { words as en } from '../src/pages/designer/wordsEn.ts'
import { words as zh } from '../src/pages/designer/wordsZh.ts'
import {
  api,
  attribute,
  axe,
  barred,
  counts,
  dev,
  expectNoise,
  isAt,
  open,
  says,
  secured,
  shot,
  until,
} from './harness.ts'
import { brick, fresh, node, plain, put, saved, stored, tab, text, type Review } from './harness/desk.ts'

describe('drafts', () => {
  test('what somebody else has saved meanwhile is shown, and one chooses', async () => {
    const name = fresh('shared')
    await put(name, plain(name))
    const page = await open(`/designer/${name}`)
    expectNoise(page, /status of 412/)
    await node(page, 'pay').waitFor()
    const client = await api()
    await client.put(`/sagas/drafts/${name}`, plain(name).replace('task: pay', 'task: theirs'), {
      'If-Match': '*',
    })
    await brick(page, 'timer').click()
    await page.getByText(en.conflict).waitFor()
    await page.getByRole('button', { name: en.resolve }).click()
    const dialog = page.getByRole('dialog')
    await dialog
      .getByText(/theirs/)
      .first()
      .waitFor()
    await axe(page)
    await shot(page, 'designer-conflict')
    await dialog.getByRole('button', { name: en.takeTheirs }).click()
    await until('theirs is shown', async () =>
      ((await text(page).textContent()) ?? '').includes('task: theirs'),
    )
    await client.put(`/sagas/drafts/${name}`, plain(name), { 'If-Match': '*' })
    await brick(page, 'timer').click()
    await page.getByText(en.conflict).waitFor()
    await page.getByRole('button', { name: en.resolve }).click()
    await page.getByRole('dialog').getByRole('button', { name: en.keepMine }).click()
    await until(
      'mine is stored',
      async () => (await stored(name)).includes('pause1') && (await stored(name)).includes('theirs'),
    )
    await saved(page)
  })

  test('are saved when one leaves, and one is asked if that is impossible', async () => {
    const name = fresh('left')
    await put(name, plain(name))
    const page = await open(`/designer/${name}`)
    expectNoise(page, /status of 500/)
    await brick(page, 'timer').click()
    await node(page, 'pause1').waitFor()
    await page.locator('nav').getByRole('link', { name: 'Locks' }).click()
    await until('one is elsewhere', () => new URL(page.url()).pathname === '/locks')
    expect(await stored(name)).toContain('pause1')
    await page.goBack()
    await node(page, 'pause1').waitFor()
    // It is tried again by itself, too: what is sent arrives only when somebody has pressed the button.
    const pressed = () => page.evaluate(() => document.body.hasAttribute('data-pressed'))
    await page.route('**/api/v1/sagas/drafts/*', async (route) =>
      route.request().method() === 'PUT' && !(await pressed())
        ? route.fulfill({
            status: 500,
            contentType: 'application/problem+json',
            body: '{"status":500,"title":"No disk.","code":"internal"}',
          })
        : route.fallback(),
    )
    await brick(page, 'signal').click()
    await page.locator('nav').getByRole('link', { name: 'Locks' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(en.leaveText).waitFor()
    await axe(page)
    await dialog.getByRole('button', { name: en.stay }).click()
    await isAt(page, `/designer/${name}`)
    await page.getByText(en.notSaved).waitFor()
    await page.evaluate(() =>
      addEventListener('click', () => document.body.setAttribute('data-pressed', ''), { capture: true }),
    )
    await page.getByRole('button', { name: en.saveAgain }).click()
    await saved(page)
  })

  test('begin from a published version, with the difference when it is published', async () => {
    const name = fresh('again')
    const client = await api()
    await client.post('/sagas/definitions', plain(name))
    const page = await open('/designer')
    await page.getByRole('table', { name: en.fromVersion }).getByRole('link', { name, exact: true }).click()
    await page.getByText(en.notADraft).waitFor()
    await until('its text is there', async () => ((await text(page).textContent()) ?? '').includes('id: pay'))
    await brick(page, 'timer').click()
    await saved(page)
    await page.getByRole('button', { name: en.publish }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('+').first().waitFor()
    await dialog.getByText(/pause1/).waitFor()
    await dialog.getByRole('button', { name: en.publishNow, exact: true }).click()
    await dialog.getByText(`${name} is published as version 2`).waitFor()
  })
})

describe('the page to begin at', () => {
  test('has drafts, versions and templates, in both languages', async () => {
    const name = fresh('listed')
    await put(name, plain(name))
    for (const lang of ['en', 'zh'] as const) {
      const page = await open('/designer', { lang })
      const said = lang === 'en' ? en : zh
      await page.getByRole('table', { name: said.drafts }).getByRole('link', { name }).waitFor()
      for (const each of templateNames)
        await page.getByText(said[`template_${each}`], { exact: true }).waitFor()
      await axe(page)
      await shot(page, `designer-start-${lang}`)
    }
  })

  test.each(templateNames)('the template %s is sound', async (template) => {
    const review = await (await api()).post<Review>('/sagas/review', templateText(template, 'mine'))
    if (template === 'empty') return
    expect(review.findings).toEqual([])
    expect(review).toMatchObject({ sound: true, explored: { exhaustive: true, failures: [] } })
  })

  test('says so when there is nothing, when it loads, and when the server fails', async () => {
    const page = await open('about:blank')
    expectNoise(page, /status of 500/)
    let go: (() => void) | undefined
    const held = new Promise<void>((done) => (go = done))
    await page.route('**/api/v1/sagas/drafts?*', async (route) => {
      await held
      await route.fulfill({ json: { items: [] } })
    })
    await page.route('**/api/v1/sagas/definitions?*', (route) =>
      route.fulfill({
        status: 500,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          status: 500,
          title: 'Something is wrong.',
          code: 'internal',
          requestId: 'r-12',
          retryable: false,
        }),
      }),
    )
    await page.goto(`${(await dev()).base}/designer`)
    await page.getByRole('status', { name: 'Loading' }).first().waitFor()
    go?.()
    await page.getByText(en.noDrafts).waitFor()
    const alert = page.getByRole('alert')
    await alert.getByText('Something is wrong.').waitFor()
    await says(alert, 'r-12')
    await axe(page)
  })

  test('a name of which there is nothing says so', async () => {
    const page = await open('/designer/nothing-of-that-name')
    await page.getByText(en.nothingCalled.replace('{name}', 'nothing-of-that-name')).waitFor()
    await axe(page)
  })
})

describe('a viewer', () => {
  test('looks and simulates, and changes nothing', async () => {
    const name = fresh('viewed')
    const server = await secured()
    await server.client('operator').put(`/sagas/drafts/${name}`, plain(name))
    const page = await open(`/designer/${name}?step=pay`, { role: 'viewer' })
    await page.getByText(en.readOnly, { exact: true }).last().waitFor()
    await node(page, 'pay').waitFor()
    await until('bricks cannot be used', () => brick(page, 'call').isDisabled())
    await attribute(text(page), 'contenteditable', 'false')
    await node(page, 'pay').press('Delete')
    await counts(node(page, 'pay'), 1)
    const publish = page.getByRole('button', { name: en.publish })
    await barred(publish)
    await tab(page, en.simulation).click()
    await page.getByRole('button', { name: en.run, exact: true }).click()
    await page.getByText(en.end_done, { exact: true }).first().waitFor()
    await axe(page)
    await shot(page, 'designer-readonly')
    const refused = await server
      .client('viewer')
      .send('PUT', `/api/v1/sagas/drafts/${name}`, plain(name), { 'If-Match': '*' })
    expect(refused.status).toBe(403)
  })
})
