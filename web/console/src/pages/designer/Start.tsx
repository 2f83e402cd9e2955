import { Button, Group, Menu, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState, type FormEvent } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import type { Schemas } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useMay } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { bytes } from '@/i18n/format.ts'
import { stepsOf } from '@/saga/graph/model.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Icon } from '@/shared/Icon.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Page, Section } from '@/shared/Page.tsx'
import { When } from '@/shared/When.tsx'
import classes from './Panes.module.css'
import { dropDraft, listDrafts, listSagas, loadDraft } from './server.ts'
import { readSource } from './source.ts'
import { nameOk } from './steps.ts'
import { templateNames, templateText, type TemplateName } from './templates.ts'
import { TinyGraph } from './TinyGraph.tsx'
import { words } from './words.ts'

/** Start begins a saga: from nothing, a template, a version, or a draft that there is. */
export function Start() {
  const t = useWords(words)
  return (
    <Page title={t('designer')} text={t('designerText')}>
      <New />
      <Drafts />
      <Versions />
    </Page>
  )
}

function New() {
  const t = useWords(words)
  const may = useMay('operator')
  const navigate = useNavigate()
  const [params] = useSearchParams()
  const [name, setName] = useState(params.get('name') ?? '')
  const [template, setTemplate] = useState<TemplateName>('empty')
  const [tried, setTried] = useState(false)
  const error = nameOk(name) ? undefined : t('badName')
  const begin = (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    if (!error && may) void navigate(`/designer/${encodeURIComponent(name)}?template=${template}`)
  }
  return (
    <Section title={t('newSaga')}>
      <form onSubmit={begin} className={classes['new']}>
        <Group align="end" gap="sm">
          <TextInput
            size="sm"
            label={t('nameOfSaga')}
            value={name}
            error={tried && error}
            w={300}
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => setName(event.currentTarget.value)}
            placeholder="order"
            data-search
          />
          {may ? (
            <Button type="submit" size="sm">
              {t('begin')}
            </Button>
          ) : (
            <MayButton role="operator" size="sm">
              {t('begin')}
            </MayButton>
          )}
        </Group>
        <fieldset className={classes['templates']}>
          <legend>{t('beginWith')}</legend>
          {templateNames.map((each) => (
            <label key={each} className={classes['template']} data-chosen={template === each || undefined}>
              <input
                type="radio"
                name="template"
                value={each}
                checked={template === each}
                onChange={() => setTemplate(each)}
              />
              <TinyTemplate name={each} />
              <span className={classes['templateName']}>{t(`template_${each}`)}</span>
              <span className="dim">{t(`template_${each}_help`)}</span>
            </label>
          ))}
        </fieldset>
      </form>
    </Section>
  )
}

function TinyTemplate({ name }: { name: TemplateName }) {
  const steps = useMemo(() => stepsOf(readSource(templateText(name, 'x')).value), [name])
  return <TinyGraph steps={steps} />
}

function Drafts() {
  const t = useWords(words)
  const navigate = useNavigate()
  const pages = usePages<Schemas['SagaDraft']>({ key: ['designer', 'drafts'], load: listDrafts, every: 15_000 })
  const client = useQueryClient()
  const drop = useMutation({
    mutationFn: async (name: string) => {
      const draft = await loadDraft(name)
      if (draft) await dropDraft(name, draft.etag)
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['designer', 'drafts'] }),
  })
  const columns = useMemo(
    (): Column<Schemas['SagaDraft']>[] => [
      {
        id: 'name',
        header: t('name'),
        width: 'minmax(160px, 2fr)',
        cell: (row) => <Link to={`/designer/${encodeURIComponent(row.name ?? '')}`}>{row.name}</Link>,
      },
      { id: 'at', header: t('changed'), width: '150px', cell: (row) => <When at={row.at} /> },
      { id: 'by', header: t('by'), width: 'minmax(120px, 1fr)', cell: (row) => row.by },
      { id: 'bytes', header: t('size'), width: '100px', align: 'right', cell: (row) => bytes(row.bytes ?? 0) },
      {
        id: 'drop',
        header: '',
        width: '130px',
        align: 'right',
        cell: (row) => <Discard name={row.name ?? ''} act={() => drop.mutate(row.name ?? '')} />,
      },
    ],
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [t('name')],
  )
  return (
    <Section title={t('drafts')} flush>
      {drop.error && <ErrorBox error={drop.error} />}
      <DataTable
        label={t('drafts')}
        rows={pages.rows}
        rowId={(row) => row.name ?? ''}
        columns={columns}
        loading={pages.loading}
        error={pages.error}
        onRetry={pages.onRetry}
        more={pages.more}
        loadingMore={pages.loadingMore}
        onMore={pages.onMore}
        empty={<Empty title={t('noDrafts')} text={t('noDraftsHelp')} />}
        onOpen={(row) => void navigate(`/designer/${encodeURIComponent(row.name ?? '')}`)}
      />
    </Section>
  )
}

/** Discard removes a draft when it is said twice. */
function Discard({ name, act }: { name: string; act: () => void }) {
  const t = useWords(words)
  const may = useMay('operator')
  if (!may)
    return (
      <MayButton role="operator" size="compact-xs" variant="subtle">
        {t('discard')}
      </MayButton>
    )
  return (
    <Menu position="bottom-end" shadow="md">
      <Menu.Target>
        <Button size="compact-xs" variant="subtle" aria-label={t('discardNamed', { name })}>
          {t('discard')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t('discardHelp')}</Menu.Label>
        <Menu.Item onClick={act}>{t('discardYes', { name })}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

function Versions() {
  const t = useWords(words)
  const navigate = useNavigate()
  const pages = usePages<Schemas['SagaVersion']>({ key: ['designer', 'published'], load: listSagas })
  const rows = useMemo(() => pages.rows.filter((row) => row.language === 'concord'), [pages.rows])
  const to = (row: Schemas['SagaVersion']) =>
    `/designer/${encodeURIComponent(row.name ?? '')}?version=${row.version ?? 1}`
  const columns = useMemo(
    (): Column<Schemas['SagaVersion']>[] => [
      {
        id: 'name',
        header: t('name'),
        width: 'minmax(160px, 2fr)',
        cell: (row) => <Link to={to(row)}>{row.name}</Link>,
      },
      { id: 'title', header: t('title'), width: 'minmax(160px, 3fr)', cell: (row) => row.title ?? '' },
      { id: 'version', header: t('version'), width: '90px', align: 'right', cell: (row) => row.version },
      { id: 'at', header: t('publishedAt'), width: '150px', cell: (row) => <When at={row.at} /> },
      {
        id: 'open',
        header: '',
        width: '60px',
        align: 'right',
        cell: () => <Icon path="M6 3l5 5-5 5" size={13} />,
      },
    ],
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [t('name')],
  )
  return (
    <Section title={t('fromVersion')} flush>
      <DataTable
        label={t('fromVersion')}
        rows={rows}
        rowId={(row) => row.name ?? ''}
        columns={columns}
        loading={pages.loading}
        error={pages.error}
        onRetry={pages.onRetry}
        more={pages.more}
        loadingMore={pages.loadingMore}
        onMore={pages.onMore}
        empty={<Empty title={t('noSagas')} text={t('noSagasHelp')} />}
        onOpen={(row) => void navigate(to(row))}
      />
    </Section>
  )
}
