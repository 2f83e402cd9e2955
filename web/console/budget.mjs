// How much each route of the console loads, compressed, and whether it is more than it may: node budget.mjs DIST
//
// A route loads the page, what the entry needs, and what its own chunk needs. Heavy libraries are only where they are
// used: never in what every route loads.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const kB = 1000
/** What the first route may load, its charts included, and what others may that draw graphs or edit text. */
const firstMax = 250 * kB
const routeMax = 600 * kB
const first = 'src/pages/overview/'
const heavy = ['vendor-flow', 'vendor-editor', 'vendor-chart', 'vendor-yaml']

const dist = process.argv[2]
const manifest = JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'))

/** Files that a chunk needs before it runs, itself among them. */
function closure(key, seen = new Set()) {
  const chunk = manifest[key]
  if (seen.has(chunk.file)) return seen
  seen.add(chunk.file)
  for (const css of chunk.css ?? []) seen.add(css)
  for (const other of chunk.imports ?? []) closure(other, seen)
  return seen
}

const sizes = new Map()
function size(files) {
  let sum = 0
  for (const file of files) {
    if (!sizes.has(file)) sizes.set(file, gzipSync(readFileSync(join(dist, file)), { level: 9 }).length)
    sum += sizes.get(file)
  }
  return sum
}

const faults = []
const entry = Object.keys(manifest).find((key) => manifest[key].isEntry)
const shell = new Set(['index.html', 'scheme.js', ...closure(entry)])
for (const file of shell) {
  if (heavy.some((name) => file.includes(name))) faults.push(`every route loads ${file}`)
}
console.log(`every route  ${(size(shell) / kB).toFixed(1)} kB`)

const routes = Object.keys(manifest).filter((key) => manifest[key].isDynamicEntry && key.startsWith('src/pages/'))
let known = false
for (const key of routes.sort()) {
  let bytes = size(new Set([...shell, ...closure(key)]))
  const most = key.startsWith(first) ? firstMax : routeMax
  known ||= key.startsWith(first)
  // What the page asks for itself when it is there, such as charts, is shown beside that.
  const later = new Set((manifest[key].dynamicImports ?? []).flatMap((other) => [...closure(other)]))
  for (const file of [...shell, ...closure(key)]) later.delete(file)
  const more = later.size > 0 ? `, and ${(size(later) / kB).toFixed(1)} kB later` : ''
  console.log(`${(bytes / kB).toFixed(1).padStart(7)} kB of ${most / kB}${more}  ${key}`)
  if (key.startsWith(first)) bytes += size(later)
  if (bytes > most) faults.push(`${key} loads ${bytes} bytes; ${most} are the most`)
}
if (!known) faults.push(`no route is in ${first}`)
for (const fault of faults) console.error(`error: ${fault}`)
process.exit(faults.length === 0 ? 0 : 1)
