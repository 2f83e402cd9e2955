import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const repository = resolve(import.meta.dirname, '../../../..')
const embedded = join(repository, 'web/console/dist')

/** Set by the set-up: a place for what is built. */
const placeName = 'CONCORD_E2E_PLACE'

/** Vitest's global set-up: has the binary ready, CONCORD_BIN or a build of the tree as it is. */
export default function setup(): () => void {
  const place = mkdtempSync(join(tmpdir(), 'concord-e2e-bin-'))
  process.env[placeName] = place
  const end = (): void => rmSync(place, { recursive: true, force: true })
  try {
    if (given('CONCORD_BIN') === undefined) {
      build(join(place, 'concord'))
    }
  } catch (wrong) {
    end()
    throw wrong
  }
  return end
}

/**
 * The binary to start. One for development serves CONSOLE_DIR by itself; others have it inside, so that with a
 * CONCORD_BIN of one's own another one is built when it is first wanted.
 */
export function binaryFor(dev: boolean): string {
  const own = given('CONCORD_BIN')
  if (own !== undefined && (dev || given('CONSOLE_DIR') === undefined)) {
    return own
  }
  const place = process.env[placeName]
  if (place === undefined) {
    throw new Error('run it by `npm run e2e`')
  }
  const binary = join(place, 'concord')
  if (!existsSync(binary)) {
    build(binary)
  }
  return binary
}

/** given is a variable of the environment, if it is not empty. */
function given(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}

/** build makes the binary. With CONSOLE_DIR the console in it is that one, not the committed one. */
function build(binary: string): void {
  const args = ['build', '-trimpath', '-ldflags', '-s -w', '-o', binary]
  const fresh = given('CONSOLE_DIR')
  if (fresh !== undefined) {
    const overlay = `${binary}.overlay.json`
    writeFileSync(overlay, JSON.stringify({ Replace: replacements(resolve(fresh)) }))
    args.push('-overlay', overlay)
  }
  execFileSync('go', [...args, './cmd/concord'], {
    cwd: repository,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, CGO_ENABLED: '0' },
  })
}

/** replacements has the compiler take each embedded file from dir; what is not there any more is left out. */
function replacements(dir: string): Record<string, string> {
  const all: Record<string, string> = {}
  for (const name of files(embedded)) {
    all[join(embedded, name)] = ''
  }
  for (const name of files(dir)) {
    all[join(embedded, name)] = join(dir, name)
  }
  return all
}

/** files lists the files below dir, by their paths from there. */
function files(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(dir, name)).isFile(),
  )
}
