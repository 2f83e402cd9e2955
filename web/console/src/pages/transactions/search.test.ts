import { describe, expect, it } from 'vitest'
import { change, format, millisOf, parse, tokensOf, type Filter } from './search.ts'

describe('a search', () => {
  it.each<[string, Filter]>([
    ['', {}],
    ['status:rollingback app:shop', { status: 'RollingBack', app: 'shop' }],
    ['name:"place order" stuck LIVE', { name: 'place order', stuck: true, live: true }],
    ['age>5m age<1h', { older: '5m', younger: '1h' }],
    ['saga:order key:o-17', { saga: 'order', key: 'o-17' }],
    ['kind:http_tcc group:g heuristic', { kind: 'HTTP_TCC', group: 'g', heuristic: true }],
    [
      'from:2026-01-31T15:00:00Z to:2026-01-31T16:00:00+00:00',
      { from: '2026-01-31T15:00:00Z', to: '2026-01-31T16:00:00Z' },
    ],
    ['xid:10.0.0.5:8091:4194305', { xid: '4194305' }],
    ['4194305', { xid: '4194305' }],
    ['[::1]:8091:4194305', { xid: '4194305' }],
    ['application:shop', { app: 'shop' }],
    ['name:a:b', { name: 'a:b' }],
  ])('%s is understood', (text, filter) => {
    const got = parse(text)
    expect(got.wrong).toEqual([])
    expect(got.filter).toEqual(filter)
  })

  it.each([
    ['app:shop buy', 'unknownWord', 9, 12],
    ['colour:red', 'unknownKey', 0, 10],
    ['status:gone', 'badStatus', 0, 11],
    ['kind:x', 'badKind', 0, 6],
    ['live age>soon', 'badAge', 5, 13],
    ['age<', 'emptyValue', 0, 4],
    ['app:', 'emptyValue', 0, 4],
    ['name:"place order', 'openQuote', 0, 17],
    ['from:yesterday', 'badTime', 0, 14],
    ['from:2026-13-45', 'badTime', 0, 15],
    ['xid:abc', 'badXid', 0, 7],
    ['live live', 'twice', 5, 9],
    ['key:o-1', 'keyNeedsSaga', 0, 7],
    ['saga:a name:b', 'nameOrSaga', 7, 13],
    ['xid:4194305 live', 'xidAlone', 0, 11],
    ['age<1h from:2026-01-31', 'ageOrTime', 0, 6],
    ['age<5m age>1h', 'emptyRange', 0, 6],
    ['from:2026-01-31 to:2026-01-30', 'emptyRange', 16, 29],
    ['stuck status:Committed', 'endedIsNotLive', 6, 22],
  ])('%s is an error with its place', (text, code, at, end) => {
    expect(parse(text).wrong).toContainEqual(expect.objectContaining({ code, at, end }))
  })

  it('reads what it writes', () => {
    const filter: Filter = {
      status: 'Active',
      live: true,
      stuck: true,
      heuristic: true,
      app: 'my shop',
      group: 'g',
      saga: 's',
      key: 'k:1',
      kind: 'TCC',
      younger: '1h',
      older: '5m',
    }
    expect(parse(format(filter))).toEqual({ filter, wrong: [] })
  })

  it('has its words apart', () => {
    expect(tokensOf(' a  name:"b c" d').map((x) => [x.text, x.at])).toEqual([
      ['a', 1],
      ['name:"b c"', 4],
      ['d', 15],
    ])
  })
})

describe('ages', () => {
  it.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['1.5h', 5_400_000],
    ['5', undefined],
    ['m', undefined],
  ])('%s', (text, millis) => expect(millisOf(text)).toBe(millis))
})

describe('a change', () => {
  it.each([
    ['app:shop stuck', 'status', 'Active', 'app:shop stuck status:Active'],
    ['status:Active app:shop', 'status', 'Committed', 'status:Committed app:shop'],
    ['status:Active app:shop', 'status', undefined, 'app:shop'],
    ['status:nonsense app:shop', 'status', 'Active', 'status:Active app:shop'],
    ['live', 'live', undefined, ''],
    ['age>5m', 'younger', '1h', 'age>5m age<1h'],
    ['what app:shop', 'name', 'a b', 'what app:shop name:"a b"'],
  ] as const)('of %s', (text, field, value, want) => expect(change(text, field, value)).toBe(want))
})
