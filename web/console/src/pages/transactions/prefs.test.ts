import { describe, expect, it } from 'vitest'
import { moved, readPrefs, toggled, usualColumns } from './prefs.ts'

describe('how the list is shown', () => {
  it.each([undefined, 'nonsense', 'null', '{"columns":[]}', '{"columns":["gone"]}', '{"columns":7}'])(
    'is as usual after %s',
    (text) => expect(readPrefs(text).columns).toEqual(usualColumns),
  )

  it('takes what it knows', () => {
    expect(readPrefs('{"columns":["xid","gone","id","xid"],"dense":true,"auto":false}')).toEqual({
      columns: ['xid', 'id'],
      dense: true,
      auto: false,
    })
  })

  it('shows, hides and moves columns', () => {
    expect(toggled(['id', 'name'], 'xid')).toEqual(['id', 'name', 'xid'])
    expect(toggled(['id', 'name'], 'id')).toEqual(['name'])
    expect(toggled(['id'], 'id')).toEqual(['id'])
    expect(moved(['id', 'name', 'xid'], 'xid', -1)).toEqual(['id', 'xid', 'name'])
    expect(moved(['id', 'name'], 'id', -1)).toEqual(['id', 'name'])
  })
})
