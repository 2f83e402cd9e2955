import { expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { words } from '../src/app/words.ts'
import { words as desk } from '../src/pages/designer/wordsEn.ts'
import { words as locks } from '../src/pages/locks/words.ts'
import { words as shared } from '../src/shared/words.ts'
import { words as transactions } from '../src/pages/transactions/words.ts'
import { another, axe, counts, expectNoise, gone, isAt, keys, open, secured, shot } from './harness.ts'
import { brick, node, plain, saved, tab, text } from './harness/desk.ts'

const en = words.en

/** What browsers log of a server that is gone, and axe, which reads the style sheets again. */
const lost = [/net::ERR_/, /dynamically imported module/, /Unable to preload/, /Couldn't load preload assets/]

const title = (page: Page, name: string): Promise<void> =>
  page.locator('main').getByRole('heading', { level: 1, name }).waitFor()

test('a page that was never open says that the server is away, and opens by itself when it is back', async () => {
  const server = await another({ dev: true })
  const page = await open('/transactions', { server })
  await title(page, transactions.en.title)
  await page.getByRole('banner').getByText(en.live, { exact: true }).waitFor()
  expectNoise(page, ...lost)
  await server.down()
  await page.getByText(/^No answer for \d.* s; what is shown is from \d\d:\d\d:\d\d/).waitFor()
  await counts(page.locator('[role="status"]', { hasText: 'No answer for' }), 1)
  await keys(page).press('g', 'l')
  await title(page, en.unloaded)
  await isAt(page, '/locks')
  await axe(page)
  await shot(page, 'away')
  await page.getByRole('button', { name: en.tryAgain }).click()
  await title(page, en.unloaded)
  await keys(page).press('g', 't')
  await title(page, transactions.en.title)
  await page.locator('main .error-box').first().waitFor()
  await axe(page)
  await shot(page, 'away-list')
  await keys(page).press('g', 'l')
  await title(page, en.unloaded)
  await server.up()
  await title(page, locks.en.title)
  await page.getByRole('banner').getByText(en.live, { exact: true }).waitFor()
  await gone(page.getByText('No answer for'))
})

test('what the server has lost sight of meanwhile is saved and checked by itself when it is back', async () => {
  const server = await another({ dev: true })
  await server.client().put('/sagas/drafts/lost', plain('lost'))
  const page = await open('/designer/lost', { server })
  await node(page, 'pay').waitFor()
  await saved(page)
  expectNoise(page, ...lost)
  await server.down()
  await brick(page, 'timer').click()
  await page.getByText(desk.notSaved, { exact: true }).waitFor()
  await page.locator('main .error-box').getByText(shared.en.noAnswer).waitFor()
  await shot(page, 'away-designer')
  await server.up()
  await saved(page)
  expect((await server.client().get<{ text: string }>('/sagas/drafts/lost')).text).toContain('pause1')
  await page.locator('main .error-box').waitFor({ state: 'hidden' })
})

test('a text that cannot be read logs nothing, and neither the graph nor the exploration speaks for it', async () => {
  const server = await another({ dev: true })
  await server.client().put('/sagas/drafts/broken', plain('broken'))
  const page = await open('/designer/broken', { server })
  await node(page, 'pay').waitFor()
  const count = tab(page, new RegExp(`^${desk.exploration}`)).locator('[data-tone]')
  await count.waitFor()
  await text(page).click()
  await page.keyboard.press('Control+End')
  await page.keyboard.type('\n{a: b}: c: d\n ? [x')
  await page.getByText(desk.outdated).waitFor()
  await node(page, 'pay').waitFor()
  await gone(count)
  await axe(page)
  await shot(page, 'designer-broken')
})

test.each(['dark', 'light'] as const)('a refused sign-in looks like an error in %s', async (theme) => {
  const page = await open('/sign-in', { server: await secured(), theme })
  expectNoise(page, /status of 401/)
  await page.getByLabel(en.keyLabel).first().fill('no-such-key')
  await page.getByRole('button', { name: en.signIn, exact: true }).click()
  const alert = page.getByRole('alert')
  await alert.waitFor()
  const colours = await alert.evaluate((box) => {
    const probe = box.appendChild(document.createElement('i'))
    probe.style.color = 'var(--c-bad)'
    const bad = getComputedStyle(probe).color
    probe.remove()
    const { borderTopColor, borderTopWidth } = getComputedStyle(box)
    const icon = box.querySelector('svg')
    return { bad, outline: borderTopColor, width: borderTopWidth, icon: icon && getComputedStyle(icon).color }
  })
  expect(colours).toEqual({ bad: colours.bad, outline: colours.bad, width: '1px', icon: colours.bad })
  await axe(page)
  await shot(page, 'sign-in-refused')
})
