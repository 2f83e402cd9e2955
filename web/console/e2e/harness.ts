/*
 * Tests of the console against the real binary, in a real browser.
 *
 *   npm run e2e                         all, with the console that is committed in dist
 *   npm run e2e -- transactions         one file
 *   CONCORD_BIN=/tmp/me/concord ...     a binary that you have built, instead of building one
 *   CONSOLE_DIR=/tmp/me/dist ...        with another build of the console:
 *                                       npx vite build --outDir /tmp/me/dist --emptyOutDir
 *   SHOTS=/tmp/me/shots ...             where pictures go
 *   SLOW=400 ...                        each answer of the API comes so many milliseconds later: what is looked at too
 *                                       early fails each time then, not once in a hundred (without weight.spec.ts, for
 *                                       there is no cache then)
 *
 *   import { expect, test } from 'vitest'
 *   import { axe, keys, open, participant, seed, shot, until } from './harness'
 *
 *   test('a stuck transaction says why', async () => {
 *     const stuck = await seed.stuck()
 *     const page = await open(`/transactions/${stuck.id}`)              // or { theme, lang, width, role, server }
 *     await page.getByText('the warehouse is closed').waitFor()
 *     await axe(page)                                                    // both themes
 *     await shot(page, 'transaction-stuck')                              // both themes
 *   })
 *
 * - Servers start when they are first asked for and live until the end of the file: `dev()` with the playground,
 *   `secured()` with keys for each role, `fourEyes()` where operations need two people. `open` takes dev(), or
 *   secured() if a role is given: open('/', { role: 'viewer' }).
 * - At the end of each test a page must have logged nothing, had no error, violated no policy and asked nobody else.
 *   What a test has happen on purpose it declares: expectNoise(page, /status of 503/).
 * - Seeds go through the public API alone: `seed` at dev(), seedOn(server) elsewhere. `api()` is a client for the rest.
 * - Wait for states, never for a time: page.getByRole(...).waitFor(), `until`, and instead of an `expect` on what a
 *   page shows `counts`, `gone`, `attribute`, `barred`, `holds`, `says`, `asks`, `isAt`. An `expect` looks once, and
 *   what was waited for before it may have been there before the action. The style test (internal/tidy) finds these.
 * - What is not there in public (answers of 500, 100,000 rows): page.route before page.goto; open('about:blank') first.
 */
import { afterAll, afterEach } from 'vitest'
import type { Page } from 'playwright-core'
import { closeBrowser, closePages, openPage, type View } from './harness/browser.ts'
import type { Client } from './harness/client.ts'
import { Keys } from './harness/keys.ts'
import { Participant } from './harness/participant.ts'
import { Seeds } from './harness/seed.ts'
import { type Role, Server } from './harness/server.ts'

export { type Answer, Client, Refusal } from './harness/client.ts'
export { type Focus, Keys } from './harness/keys.ts'
export { axe, settled, shot, shots } from './harness/look.ts'
export { type Call, Participant, type Say } from './harness/participant.ts'
export { type Role, roles, Server } from './harness/server.ts'
export { asks, attribute, barred, counts, gone, holds, isAt, says } from './harness/sees.ts'
export { until } from './harness/until.ts'
export { expectNoise, noises } from './harness/watch.ts'

/** How and where a page is opened. */
export interface Opening extends View {
  server?: Server
  /** Signed in with the key of this role. Without it nobody is, at a server that wants keys. */
  role?: Role
}

const started = new Map<string, Promise<Server>>()
let ownParticipant: Promise<Participant> | undefined

/** The server for development, with the playground. */
export function dev(): Promise<Server> {
  return once('dev', () => Server.start({ dev: true, args: freshConsole() }))
}

/** The arguments with which a server for development serves another build of the console. */
function freshConsole(): string[] {
  const fresh = process.env['CONSOLE_DIR']
  return fresh !== undefined && fresh !== '' ? ['--console-dir', fresh] : []
}

/** A server that wants keys. */
export function secured(): Promise<Server> {
  return once('secured', () => Server.start({ dev: false }))
}

/** A server that wants keys, and two people for what cannot be taken back. */
export function fourEyes(): Promise<Server> {
  return once('fourEyes', () =>
    Server.start({ dev: false, args: ['--access-four-eyes', 'skip,release,discard'] }),
  )
}

/** A server of one's own, ended with the file. */
export function another(options: { dev: boolean; args?: string[] }): Promise<Server> {
  const args = [...(options.dev ? freshConsole() : []), ...(options.args ?? [])]
  return once(`another ${started.size}`, () => Server.start({ ...options, args }))
}

function once(name: string, start: () => Promise<Server>): Promise<Server> {
  const there = started.get(name) ?? start()
  started.set(name, there)
  return there
}

/** Opens a path of the console. It is there when the page is loaded; wait for what you look for. */
export async function open(path: string, options: Opening = {}): Promise<Page> {
  const server = options.server ?? (await (options.role === undefined ? dev() : secured()))
  const page = await openPage(server, options.role, options)
  await page.goto(path === 'about:blank' ? path : server.base + path)
  return page
}

/** A client of dev(), or of secured() with the key of a role. */
export async function api(role?: Role): Promise<Client> {
  return role === undefined ? (await dev()).client() : (await secured()).client(role)
}

/** The participant of this file's tests; each test uses paths of its own. */
export function participant(): Promise<Participant> {
  ownParticipant ??= Participant.start()
  return ownParticipant
}

/** Brings dev() into the states that pages show. */
export const seed = new Seeds(dev, participant)

/** Does the same with another server. */
export function seedOn(server: Server): Seeds {
  return new Seeds(() => Promise.resolve(server), participant)
}

/** The keyboard of a page. */
export function keys(page: Page): Keys {
  return new Keys(page)
}

afterEach(async (context) => {
  const failed = context.task.result?.state === 'fail'
  const wrong = await closePages(failed)
  if (failed) {
    await tell(wrong)
  } else if (wrong.length > 0) {
    throw new Error(`what the test's pages did besides:\n${wrong.join('\n')}`)
  }
})

/** Tells what pages did and which warnings and errors servers have logged, after a test that has failed. */
async function tell(pages: string[]): Promise<void> {
  process.stderr.write(`${pages.join('\n')}\n`)
  for (const [name, starting] of started) {
    const log = (await starting)
      .log()
      .split('\n')
      .filter((line) => /"level":"(WARN|ERROR)"/.test(line))
      .slice(-20)
    process.stderr.write(`log of ${name}, warnings and errors:\n${log.join('\n')}\n`)
  }
}

afterAll(async () => {
  await closeBrowser()
  const all = [...started.values()]
  started.clear()
  for (const one of await Promise.allSettled(all)) {
    if (one.status === 'fulfilled') {
      await one.value.stop()
    }
  }
  await (await ownParticipant)?.close()
  ownParticipant = undefined
})
