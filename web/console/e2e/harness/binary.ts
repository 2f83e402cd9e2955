import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const repository = resolve(import.meta.dirname, '../../../..')
const embedded = join(repository, 'web/console/dist')

/** Vitest's global set-up: has the binary ready, CONCORD_BIN or a build of the tree as it is. */
export default function setup(): (() => void) | undefined {
  if (process.env['CONCORD_BIN'] !== undefined && process.env['CONCORD_BIN'] !== '') {
    return undefined
  }
  const place = mkdtempSync(join(tmpdir(), 'concord-e2e-bin-'))
  try {
    process.env['CONCORD_BIN'] = build(place)
  } catch (wrong) {
    rmSync(place, { recursive: true, force: true })
    throw wrong
  }
  return () => rmSync(place, { recursive: true, force: true })
}

/** build makes the binary. With CONSOLE_DIR the console in it is that one, not the committed one. */
function build(place: string): string {
  const binary = join(place, 'concord')
  const args = ['build', '-trimpath', '-ldflags', '-s -w', '-o', binary]
  const fresh = process.env['CONSOLE_DIR']
  if (fresh !== undefined && fresh !== '') {
    const overlay = join(place, 'overlay.json')
    writeFileSync(overlay, JSON.stringify({ Replace: replacements(resolve(fresh)) }))
    args.push('-overlay', overlay)
  }
  execFileSync('go', [...args, './cmd/concord'], {
    cwd: repository, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, CGO_ENABLED: '0' },
  })
  return binary
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
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(dir, name)).isFile())
}
