import { SegmentedControl, useMantineColorScheme } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { Link } from 'react-router'
import { api, ask, Refused, type Schemas } from '@/api/client.ts'
import { setLanguage, useLanguage, useWords, type Language } from '@/i18n'
import { setZone, useZone, type Zone } from '@/i18n/format.ts'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import type { Action } from '@/shared/actions/model.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Page, Section } from '@/shared/Page.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { alone } from './alone.ts'
import { changeAction } from './change.ts'
import classes from './settings.module.css'
import { words } from './words.ts'

type Setting = Schemas['Setting']

const key = ['settings'] as const

/** Settings shows what counts for the whole cluster, and what this browser likes. */
export default function Settings() {
  const t = useWords(words)
  return (
    <Page title={t('title')} text={t('intro')}>
      <Section title={t('cluster')} flush>
        <Shared />
      </Section>
      <Section title={t('mine')}>
        <Mine />
      </Section>
    </Page>
  )
}

function Shared() {
  const t = useWords(words)
  const client = useQueryClient()
  const [action, setAction] = useState<Action>()
  // One machine has no shared settings, so it is not asked for them.
  const cluster = useQuery({
    queryKey: ['settings', 'cluster'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/cluster', { signal })),
  })
  const single = cluster.data !== undefined && alone(cluster.data)
  const settings = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => ask(api.GET('/api/v1/settings', { signal })),
    enabled: cluster.data !== undefined && !single,
    refetchInterval: (query) => (query.state.error ? false : 5000),
  })
  const columns = useMemo<readonly Column<Setting>[]>(
    () => [
      {
        id: 'key',
        header: t('key'),
        width: 'minmax(180px, 1fr)',
        cell: (s) => <span className="mono">{s.key}</span>,
      },
      {
        id: 'value',
        header: t('value'),
        width: '140px',
        cell: (s) => <strong className="mono">{s.value}</strong>,
      },
      {
        id: 'changed',
        header: '',
        width: '220px',
        cell: (s) =>
          s.changed ? (
            <>
              <Mark tone="work" text={t('changed')} /> <When at={s.changedAt} />{' '}
              <span className="dim">{s.changedBy && t('by', { who: s.changedBy })}</span>
            </>
          ) : (
            <span className="dim">{t('asConfigured')}</span>
          ),
      },
      { id: 'own', header: t('own'), width: '170px', cell: (s) => <span className="mono">{s.own}</span> },
      {
        id: 'meaning',
        header: t('meaning'),
        width: 'minmax(240px, 3fr)',
        cell: (s) => <span title={s.doc}>{s.doc}</span>,
      },
      {
        id: 'change',
        header: '',
        width: '110px',
        cell: (s) => (
          <MayButton
            role="admin"
            size="compact-xs"
            variant="default"
            aria-label={`${t('change')} ${s.key}`}
            onClick={() => setAction(changeAction(s))}
          >
            {t('change')}
          </MayButton>
        ),
      },
    ],
    [t],
  )
  const error = cluster.error ?? settings.error
  if (single || (error instanceof Refused && error.code === 'notACluster')) {
    return (
      <Empty title={t('alone')} text={t('aloneHelp')}>
        <Link to="/cluster?tab=config">{t('config')}</Link>
      </Empty>
    )
  }
  return (
    <>
      <DataTable
        label={t('cluster')}
        rows={settings.data?.items ?? []}
        rowId={(s) => s.key ?? ''}
        columns={columns}
        loading={settings.isPending}
        error={error}
        onRetry={() => void (cluster.error ? cluster.refetch() : settings.refetch())}
        empty={<Empty title={t('none')} />}
      />
      <ActionDialog
        action={action}
        onClose={() => {
          setAction(undefined)
          void client.invalidateQueries({ queryKey: key })
        }}
      />
    </>
  )
}

function Mine() {
  const t = useWords(words)
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const language = useLanguage()
  const zone = useZone()
  return (
    <div className={classes['mine']}>
      <Choice
        label={t('theme')}
        value={colorScheme}
        onChange={(value) => setColorScheme(value as typeof colorScheme)}
        data={[
          { value: 'light', label: t('light') },
          { value: 'dark', label: t('dark') },
          { value: 'auto', label: t('auto') },
        ]}
      />
      <Choice
        label={t('language')}
        value={language}
        onChange={(value) => setLanguage(value as Language)}
        data={[
          { value: 'en', label: 'English' },
          { value: 'zh', label: '中文' },
        ]}
      />
      <Choice
        label={t('zone')}
        value={zone}
        onChange={(value) => setZone(value as Zone)}
        data={[
          { value: 'local', label: t('local') },
          { value: 'utc', label: t('utc') },
        ]}
      />
      <p className="dim">{t('keptHere')}</p>
    </div>
  )
}

function Choice(props: {
  label: string
  value: string
  data: { value: string; label: string }[]
  onChange: (value: string) => void
}) {
  return (
    <div className={classes['choice']}>
      <span>{props.label}</span>
      <SegmentedControl
        size="xs"
        aria-label={props.label}
        value={props.value}
        data={props.data}
        onChange={props.onChange}
      />
    </div>
  )
}
