import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import { useShortcuts } from '@/app/keys.ts'
import { useWords, type Say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import type { Action } from '@/shared/actions/model.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Page } from '@/shared/Page.tsx'
import { Mark, type Tone } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { numberOf } from '@/shared/Xid.tsx'
import { Bulk } from './Bulk.tsx'
import classes from './inbox.module.css'
import {
  chosen,
  counted,
  kinds,
  nameOf,
  splitName,
  type Claim,
  type Item,
  type Kind,
  type Wanted,
} from './items.ts'
import { Panel } from './Panel.tsx'
import { inboxKey, useClaims, useInbox } from './useInbox.ts'
import { words, type Word } from './words.ts'

const none: ReadonlySet<string> = new Set()

/** Inbox is one list of everything that needs a person, and the guided way out of each. */
export default function Inbox() {
  const t = useWords(words)
  const client = useQueryClient()
  const address = useAddress()
  const inbox = useInbox()
  const claims = useClaims()
  const [picked, setPicked] = useState<ReadonlySet<string>>(none)
  const [action, setAction] = useState<Action>()
  const { kind, text, owner, newest, open } = address
  const rows = useMemo(
    () => chosen(inbox.items, claims.byName, { kind, text, owner, newest }),
    [inbox.items, claims.byName, kind, text, owner, newest],
  )
  const columns = useMemo(() => columnsOf(t, claims.byName, !!open), [t, claims.byName, open])
  const selected = useMemo(() => inbox.items.filter((item) => picked.has(nameOf(item))), [inbox.items, picked])
  const shown = open ? inbox.items.find((item) => nameOf(item) === nameOf(open)) : undefined
  const close = () => {
    const name = open && nameOf(open)
    address.put('open', '')
    if (name) requestAnimationFrame(() => focusOn(name))
  }
  useShortcuts({ Escape: () => open && close() })
  const alike = shown ? rows.filter((item) => item.alike === shown.alike) : []
  return (
    <Page title={t('title')} text={t('intro')}>
      <div className={classes['split']} data-open={open ? true : undefined}>
        <div className={`card ${classes['list']}`}>
          <Kinds items={inbox.items} kind={kind} put={address.put} />
          <Filters address={address} />
          {address.unknown && (
            <div className={classes['failed']} role="status">
              {t('noKind', { kind: address.unknown })}
            </div>
          )}
          {inbox.failed.map(({ kind: part, error }) => (
            <div key={part} className={classes['failed']}>
              <span>{t('partly', { what: t(part) })}</span>
              <ErrorBox error={error} retry={inbox.retry} />
            </div>
          ))}
          {selected.length > 0 && (
            <Bulk items={selected} act={setAction} claims={claims.byName} onClear={() => setPicked(none)} />
          )}
          <DataTable
            label={t('title')}
            rows={rows}
            rowId={nameOf}
            columns={columns}
            loading={inbox.loading}
            selection={{ ids: picked, onChange: setPicked }}
            {...(open ? { opened: nameOf(open) } : {})}
            onOpen={(item) => address.put('open', nameOf(item))}
            empty={<Nothing all={inbox.items.length} failed={inbox.failed.length > 0} clear={address.clear} />}
            foot={inbox.more ? <span>{t('more')}</span> : undefined}
          />
        </div>
        {open && (
          <Panel
            key={nameOf(open)}
            open={open}
            item={shown}
            claim={claims.byName.get(nameOf(open))}
            alike={alike.length - 1}
            onAlike={() => setPicked(new Set(alike.map(nameOf)))}
            act={setAction}
            onClose={close}
          />
        )}
      </div>
      <ActionDialog
        action={action}
        onAccepted={() => void client.invalidateQueries({ queryKey: inboxKey })}
        onClose={() => {
          setAction(undefined)
          void client.invalidateQueries({ queryKey: inboxKey })
        }}
      />
    </Page>
  )
}

function focusOn(name: string): void {
  document.querySelector<HTMLElement>(`[data-row="${CSS.escape(name)}"]`)?.focus({ preventScroll: true })
}

/** useAddress keeps what is shown in the address. */
function useAddress() {
  const [query, setQuery] = useSearchParams()
  const wanted = query.get('kind')
  const kind = kinds.find((one) => one === wanted)
  const opened = query.get('open') ?? ''
  const open = useMemo(() => splitName(opened, kind), [opened, kind])
  const owned = query.get('owner')
  const put = useCallback(
    (name: string, value: string) => {
      // What is open already is not opened once more: Back would lead to itself.
      if (name === 'open' && value === opened) return
      setQuery(
        (was) => {
          if (value) was.set(name, value)
          else was.delete(name)
          if (name === 'kind') was.delete('open')
          return was
        },
        { replace: name !== 'open' },
      )
    },
    [setQuery, opened],
  )
  const clear = useCallback(() => setQuery({}, { replace: true }), [setQuery])
  return {
    kind,
    unknown: wanted && !kind ? wanted : undefined,
    open,
    text: query.get('q') ?? '',
    owner: (owned === 'mine' || owned === 'nobody' ? owned : '') as Wanted['owner'],
    newest: query.get('order') === 'newest',
    put,
    clear,
  }
}

type Put = ReturnType<typeof useAddress>['put']

/** Kinds are the tabs, each with how many there are. */
function Kinds({ items, kind, put }: { items: readonly Item[]; kind: Kind | undefined; put: Put }) {
  const t = useWords(words)
  const n = useMemo(() => counted(items), [items])
  const tab = (value: Kind | undefined, text: string, number: number) => (
    <button
      key={text}
      type="button"
      className={classes['kind']}
      aria-pressed={kind === value}
      onClick={() => put('kind', value ?? '')}
    >
      {text} <span className={classes['number']}>{count(number)}</span>
    </button>
  )
  return (
    <div role="group" aria-label={t('kinds')} className={classes['kinds']}>
      {tab(undefined, t('all'), items.length)}
      {kinds.map((one) => tab(one, t(one), n[one]))}
    </div>
  )
}

function Filters({ address }: { address: ReturnType<typeof useAddress> }) {
  const t = useWords(words)
  return (
    <div className={classes['bar']}>
      <TextInput
        aria-label={t('find')}
        placeholder={t('find')}
        size="xs"
        data-search
        className={classes['find']!}
        value={address.text}
        onChange={(event) => address.put('q', event.currentTarget.value)}
      />
      <NativeSelect
        aria-label={t('owner')}
        size="xs"
        value={address.owner}
        onChange={(event) => address.put('owner', event.currentTarget.value)}
        data={[
          { value: '', label: `${t('owner')}: ${t('ownerAny')}` },
          { value: 'mine', label: `${t('owner')}: ${t('ownerMine')}` },
          { value: 'nobody', label: `${t('owner')}: ${t('ownerNobody')}` },
        ]}
      />
      <NativeSelect
        aria-label={t('order')}
        size="xs"
        value={address.newest ? 'newest' : ''}
        onChange={(event) => address.put('order', event.currentTarget.value)}
        data={[
          { value: '', label: t('oldest') },
          { value: 'newest', label: t('newest') },
        ]}
      />
    </div>
  )
}

function Nothing({ all, failed, clear }: { all: number; failed: boolean; clear: () => void }) {
  const t = useWords(words)
  if (all === 0) return failed ? null : <Empty title={t('none')} text={t('noneHelp')} />
  return (
    <Empty title={t('noneSuch')} text={t('noneSuchHelp')}>
      <Button size="xs" variant="default" onClick={clear}>
        {t('clear')}
      </Button>
    </Empty>
  )
}

const kindTones: Record<Kind, Tone> = {
  transaction: 'bad',
  approval: 'warn',
  wait: 'work',
  letter: 'bad',
  half: 'undo',
}

/** kindWord is what an item is. */
export function kindWord(item: Pick<Item, 'kind' | 'saga'>): Word {
  return item.kind === 'transaction' && item.saga ? 'kind_saga' : `kind_${item.kind}`
}

function columnsOf(t: Say<Word>, claims: ReadonlyMap<string, Claim>, narrow: boolean): readonly Column<Item>[] {
  const all: Column<Item>[] = [
    {
      id: 'kind',
      header: t('kind'),
      width: '168px',
      cell: (item) => <Mark tone={kindTones[item.kind]} text={t(kindWord(item))} />,
    },
    {
      id: 'what',
      header: t('what'),
      width: 'minmax(150px, 2fr)',
      cell: (item) => (
        <span className={classes['named']} title={`${item.what} ${item.xid ?? ''}`}>
          <strong className={classes['what']}>{item.what}</strong>
          {item.xid && item.kind !== 'approval' && (
            <span className={`mono dim ${classes['xid']}`}>{numberOf(item.xid)}</span>
          )}
        </span>
      ),
    },
    {
      id: 'why',
      header: t('why'),
      width: 'minmax(130px, 3fr)',
      cell: (item) => <span title={item.why}>{item.why}</span>,
    },
    {
      id: 'application',
      header: t('application'),
      width: '104px',
      cell: (item) => item.application || <span className="dim">–</span>,
    },
    { id: 'age', header: t('age'), width: '122px', cell: (item) => <When at={item.at} /> },
    {
      id: 'owner',
      header: t('owner'),
      width: '96px',
      cell: (item) => <Owner claim={claims.get(nameOf(item))} />,
    },
  ]
  return narrow ? all.filter((column) => column.id !== 'application' && column.id !== 'why') : all
}

function Owner({ claim }: { claim: Claim | undefined }) {
  const t = useWords(words)
  if (!claim) return <span className="dim">{t('nobody')}</span>
  return <span title={claim.note}>{claim.own ? <strong>{t('me')}</strong> : claim.owner}</span>
}
