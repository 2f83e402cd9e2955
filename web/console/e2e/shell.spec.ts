import { beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { entries } from '../src/app/pages.ts'
import { words } from '../src/app/words.ts'
import {
  asks,
  attribute,
  axe,
  dev,
  expectNoise,
  gone,
  isAt,
  keys,
  open,
  says,
  secured,
  seed,
  settled,
  shot,
  until,
} from './harness.ts'

const en = words.en

beforeAll(async () => {
  await Promise.all([seed.committed(), seed.rolledBack(), seed.active(), seed.stuck(), seed.retrying()])
  await Promise.all([seed.sagaDone(), seed.sagaCompensated(), seed.sagaWaiting('approval')])
})

/** shown waits until a page's own title is there and nothing is loading, and says what the title is. */
async function shown(page: Page): Promise<string> {
  const title = page.locator('main h1').first()
  await title.waitFor()
  await until('nothing is loading', async () => (await page.locator('main [aria-busy="true"]').count()) === 0)
  await settled(page)
  return (await title.textContent()) ?? ''
}

/** One machine has no settings of a cluster, says so with 409, and the page with it. The browser logs the answer. */
const noCluster = /status of 409 .*\/api\/v1\/settings/

const path = (page: Page): string => new URL(page.url()).pathname

/** go opens a page by its two keys. The second one counts for a moment, which may be over on a busy machine. */
async function go(page: Page, entry: (typeof entries)[number]): Promise<void> {
  for (let n = 0; n < 3; n++) {
    await keys(page).press('g', entry.letter)
    const there = until(`the page ${entry.path}`, () => path(page) === entry.path, 10_000)
    if (await there.catch(() => false)) return
  }
  await isAt(page, entry.path)
}

const root = (page: Page) => page.locator('html')

describe.each(['en', 'zh'] as const)('in %s', (lang) => {
  test('each page of the navigation opens by two keys, and axe finds nothing in either theme', async () => {
    const page = await open('/', { lang })
    expectNoise(page, noCluster)
    await shown(page)
    await attribute(root(page), 'lang', new RegExp(lang))
    const titles = new Set<string>()
    for (const entry of [...entries.slice(1), ...entries.slice(0, 1)]) {
      await go(page, entry)
      const current = page.locator('nav a[aria-current="page"]')
      await until(
        'the navigation says where one is',
        async () =>
          (await current.count()) === 1 &&
          ((await current.textContent()) ?? '').includes(words[lang][entry.word]),
      )
      // The page before may be there for as long as the code of this one is on its way.
      titles.add(
        await until(`${entry.path} has a title of its own`, async () => {
          const title = await shown(page)
          return !titles.has(title) && title
        }),
      )
      await until('the window has a title', async () => /.+ · Concord$/.test(await page.title()))
      await axe(page)
    }
    expect(titles.size, 'each page has a title of its own').toBe(entries.length)
  })

  test('the palette leads to each page by its name', async () => {
    const page = await open('/', { lang })
    expectNoise(page, noCluster)
    await shown(page)
    for (const entry of entries.slice(1)) {
      await keys(page).press('Control+k')
      const field = page
        .getByRole('dialog')
        .getByRole('combobox')
        .or(page.getByRole('dialog').getByRole('textbox'))
      await field.first().waitFor()
      await until('the field has the focus', () =>
        field.first().evaluate((it) => it === document.activeElement),
      )
      await keys(page).type(words[lang][entry.word])
      const first = page.getByRole('dialog').getByRole('option').first() // Enter chooses it, whatever it is
      await first.filter({ hasText: words[lang][entry.word] }).waitFor()
      await keys(page).press('Enter')
      await until(`the page ${entry.path}`, () => path(page) === entry.path)
      await shown(page)
    }
  })
})

test('what is typed right after the key of the palette is in the palette, the first time and later', async () => {
  const page = await open('/')
  await shown(page)
  // Its code is on its way for a while.
  await page.route(/\/assets\/Palette\.js$/, (route) => setTimeout(() => void route.continue(), 300))
  const field = page.getByRole('dialog').getByRole('combobox')
  for (const entry of [entries[1]!, entries[2]!]) {
    await page.keyboard.press('Control+k')
    await page.keyboard.type(en[entry.word])
    await until('the field has all of it', async () => (await field.inputValue()) === en[entry.word])
    await page.keyboard.press('Enter')
    await until(`the page ${entry.path}`, () => path(page) === entry.path)
    await shown(page)
  }
})

test('the list of shortcuts opens by ?, has the letters of the pages, and closes by Escape', async () => {
  const page = await open('/')
  await shown(page)
  await keys(page).press('?')
  const dialog = page.getByRole('dialog')
  await dialog.getByText(en.shortcuts).first().waitFor()
  for (const word of [en.keyGo, en.keyPalette, en.keyNext]) {
    await dialog.getByText(word).first().waitFor()
  }
  await axe(page)
  await shot(page, 'shortcuts')
  await keys(page).press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  await keys(page).press('Control+k')
  await keys(page).type('age>5m')
  await page.getByRole('dialog').getByRole('option').first().waitFor()
  await axe(page)
  await shot(page, 'palette')
})

test('the first Tab leads past the navigation to the content', async () => {
  const page = await open('/')
  await shown(page)
  await keys(page).press('Tab')
  await until('the way past has the focus', async () => (await keys(page).focus()).name === en.skip)
  await until('the focus is seen', () => keys(page).visible())
  await keys(page).press('Enter')
  await until('the content has the focus', () => page.evaluate(() => document.activeElement?.id === 'content'))
})

test('theme and language are chosen, and stay after a reload', async () => {
  const page = await open('/', { theme: 'light' })
  await shown(page)
  const scheme = (is: string) => attribute(root(page), 'data-mantine-color-scheme', is)
  await scheme('light')
  await page.evaluate(() => localStorage.setItem('concord-scheme', 'dark'))
  await page.evaluate(() => localStorage.setItem('concord-language', 'zh'))
  await page.reload()
  await shown(page)
  await scheme('dark')
  await attribute(root(page), 'lang', /zh/)
  await page.locator('nav').getByText(words.zh.transactions).first().waitFor()
})

test('an address is opened with its query, and stays after a reload', async () => {
  const page = await open('/transactions?status=Active')
  const title = await shown(page)
  await page.reload()
  expect(await shown(page)).toBe(title)
  await until('the address has it', () => new URL(page.url()).search.includes('Active'))
  await page.goBack().catch(() => null)
})

test.each([1440, 1024, 640])('no page is wider than a window of %i', async (width) => {
  const page = await open('/', { width })
  expectNoise(page, noCluster)
  await shown(page)
  const wide: string[] = []
  for (const entry of entries) {
    await go(page, entry)
    await shown(page)
    const over = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    )
    if (over > 0) {
      wide.push(`${entry.path} by ${over}`)
    }
  }
  expect(wide).toEqual([])
})

test('on a narrow window the pages are behind a button', async () => {
  const page = await open('/', { width: 640 })
  await shown(page)
  const link = page.locator('nav').getByText(en.transactions)
  await link.waitFor({ state: 'hidden' })
  await keys(page).to(en.openNavigation)
  await keys(page).press('Enter')
  await link.waitFor()
  await axe(page)
  await link.click()
  await until('the page', () => path(page) === '/transactions')
  await link.waitFor({ state: 'hidden' })
})

test('an unknown address says so and leads back', async () => {
  const page = await open('/no/such/page')
  await page.getByText(en.unknownPage).waitFor()
  await axe(page)
  await page.getByRole('link', { name: en.backToOverview }).click()
  await until('the overview', () => path(page) === '/')
  await shown(page)
})

test('what is no page of the console is not answered with one', async () => {
  const client = (await dev()).client()
  const browser = { Accept: 'text/html' }
  for (const [address, status] of [
    ['/assets/none.js', 404],
    ['/api/v1/none', 404],
    ['/deep/link', 200],
  ] as const) {
    const answer = await client.send('GET', address, undefined, browser)
    expect([address, answer.status]).toEqual([address, status])
    expect(answer.text.includes('<div id="root">')).toBe(status === 200)
  }
})

describe('who is not signed in', () => {
  test('signs in with a key and comes back to where he was', async () => {
    const server = await secured()
    const page = await open('/locks?table=stock', { server })
    expectNoise(page, /status of 401/)
    await page.getByRole('heading', { name: en.signInTitle }).waitFor()
    await axe(page)
    await shot(page, 'sign-in')
    const key = page.getByLabel(en.keyLabel, { exact: false }).first()
    await key.fill('concord_wrong_key')
    await keys(page).press('Enter')
    const alert = page.getByRole('alert')
    await alert.waitFor()
    await says(alert, 'credentialsInvalid')
    await key.fill(server.key('operator'))
    await keys(page).press('Enter')
    await until('the page that was wanted', () => path(page) === '/locks')
    await asks(page, 'table', 'stock')
    await shown(page)
    expect(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain(
      'concord_',
    )
  })

  test('is not sent elsewhere by the address to come back to', async () => {
    const server = await secured()
    for (const to of ['//example.org/', 'https://example.org/', '/\\example.org']) {
      const page = await open(`/sign-in?to=${encodeURIComponent(to)}`, { server })
      expectNoise(page, /status of 401/)
      await page.getByLabel(en.keyLabel, { exact: false }).first().fill(server.key('viewer'))
      await keys(page).press('Enter')
      await until('it is signed in', () => path(page) !== '/sign-in')
      await shown(page)
      expect(page.url().startsWith(`${server.base}/`)).toBe(true)
    }
  })

  test('a session that ends while a page is open leads to the sign-in', async () => {
    const page = await open('/transactions', { role: 'viewer' })
    expectNoise(page, /status of 401/)
    await shown(page)
    await page.context().clearCookies()
    await page.reload()
    await page.getByRole('heading', { name: en.signInTitle }).waitFor()
  })
})

describe('a viewer', () => {
  test('is told that he changes nothing; an operator is not', async () => {
    const viewer = await open('/', { role: 'viewer' })
    await shown(viewer)
    await viewer.getByText(en.readOnly, { exact: true }).first().waitFor()
    await axe(viewer)
    const operator = await open('/', { role: 'operator' })
    await shown(operator)
    await gone(operator.getByText(en.readOnly, { exact: true }))
  })

  test('opens each page without an error', async () => {
    const page = await open('/', { role: 'viewer' })
    expectNoise(page, /status of 403/, noCluster)
    for (const entry of entries.filter((one) => one.only === undefined)) {
      await go(page, entry)
      await shown(page)
    }
  })
})

describe('the mark says whether what is shown is live', () => {
  test('a server that stands still, and goes on', async () => {
    const server = await dev()
    const page = await open('/')
    await shown(page)
    await page.getByText(en.live, { exact: true }).first().waitFor()
    server.pause()
    try {
      await page.getByText(en.stale, { exact: true }).first().waitFor()
      await page.getByText(en.live, { exact: true }).waitFor({ state: 'hidden' })
    } finally {
      server.resume()
    }
    await page.getByText(en.live, { exact: true }).first().waitFor()
  })

  test('a server that ends, and comes back', async () => {
    const server = await dev()
    const page = await open('/')
    expectNoise(
      page,
      /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|status of 503/,
    )
    await shown(page)
    await page.getByText(en.live, { exact: true }).first().waitFor()
    await server.down()
    try {
      await page.getByText(en.stale, { exact: true }).first().waitFor()
      await axe(page)
    } finally {
      await server.up()
    }
    await page.getByText(en.live, { exact: true }).first().waitFor({ timeout: 30_000 })
  })
})

test('an error has the words of the server and the id of the request', async () => {
  const page = await open('/transactions/999999999')
  expectNoise(page, /status of 404/)
  const alert = page.getByRole('alert').first()
  await alert.waitFor()
  await says(alert, /404 transactionNotFound.*Request \S+/)
  await axe(page)
})

test('an error of the server is shown as it is', async () => {
  const page = await open('about:blank')
  expectNoise(page, /status of 500/)
  await page.route('**/api/v1/transactions?*', (route) =>
    route.fulfill({
      status: 500,
      contentType: 'application/problem+json',
      body: JSON.stringify({
        status: 500,
        title: 'Something is wrong here.',
        code: 'internal',
        detail: 'The disk is on fire.',
        requestId: 'r-4711',
        retryable: false,
      }),
    }),
  )
  await page.goto(`${(await dev()).base}/transactions`)
  const alert = page.getByRole('alert').first()
  await alert.waitFor()
  for (const part of ['Something is wrong here.', 'The disk is on fire.', 'r-4711', '500 internal']) {
    await says(alert, part)
  }
  await axe(page)
})
