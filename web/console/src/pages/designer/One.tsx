import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import { useWords } from '@/i18n'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Page } from '@/shared/Page.tsx'
import { useAgain } from './again.ts'
import { Designer } from './Designer.tsx'
import { loadDraft, loadVersion } from './server.ts'
import { templateNames, templateText } from './templates.ts'
import { words } from './words.ts'

/** One opens a draft, a version, or a template in the designer. */
export function One({ name }: { name: string }) {
  const t = useWords(words)
  const [params] = useSearchParams()
  // What was asked for when the page was opened; later it is the draft that counts.
  const [version] = useState(() => Number(params.get('version')) || undefined)
  const [template] = useState(() => templateNames.find((each) => each === params.get('template')))
  const opened = useQuery({
    queryKey: ['designer', 'open', name, version],
    queryFn: async ({ signal }) => {
      const [draft, published] = await Promise.all([
        loadDraft(name, signal),
        loadVersion(name, version, signal),
      ])
      return { draft, published }
    },
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnMount: 'always',
  })
  useAgain({ error: opened.error, busy: opened.isFetching, act: () => void opened.refetch() })
  const trail = [{ text: t('designer'), to: '/designer' }]
  if (opened.error)
    return (
      <Page title={name} trail={trail}>
        <ErrorBox error={opened.error} retry={() => void opened.refetch()} />
      </Page>
    )
  if (!opened.data || opened.isFetching)
    return (
      <Page title={name} trail={trail}>
        <Loading rows={12} />
      </Page>
    )
  const { draft, published } = opened.data
  if (draft) {
    const banner = version !== undefined || template ? t('draftThere', { name }) : undefined
    return <Designer name={name} text={draft.text} draft={draft} base={undefined} banner={banner} />
  }
  if (published?.language === 'seata')
    return (
      <Page title={name} trail={trail}>
        <Empty title={t('isSeata')} text={t('isSeataHelp')} />
      </Page>
    )
  if (published?.text !== undefined) {
    const banner = t('openedVersion', { version: published.version ?? 0 })
    return (
      <Designer name={name} text={published.text} draft={undefined} base={published.text} banner={banner} />
    )
  }
  if (template)
    return <Designer name={name} text={templateText(template, name)} draft={undefined} base={undefined} />
  return (
    <Page title={name} trail={trail}>
      <Empty title={t('nothingCalled', { name })} text={t('nothingCalledHelp')}>
        <Button component={Link} to={`/designer?name=${encodeURIComponent(name)}`} mt="sm">
          {t('newSaga')}
        </Button>
      </Empty>
    </Page>
  )
}
