import { Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { lookedAt } from '@/saga/lookedAt.ts'
import { Facts } from '@/saga/Facts.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { Findings } from './Findings.tsx'
import classes from './sagas.module.css'
import { words } from './words.ts'

/** review has the server check and explore a text. Nothing is published by that. */
export function review(text: string, signal?: AbortSignal): Promise<Schemas['SagaReview']> {
  return ask(
    api.POST('/api/v1/sagas/review', {
      body: text as never,
      bodySerializer: (body: unknown) => body as string,
      headers: { 'Content-Type': 'application/yaml' },
      signal: signal ?? null,
    }),
  )
}

/** Explored says what comes of a version when everything happens to it that can. */
export function Explored({ text, digest }: { text: string; digest: string }) {
  const t = useWords(words)
  const query = useQuery({
    queryKey: ['sagaReview', digest],
    queryFn: ({ signal }) => review(text, signal),
    staleTime: 60_000,
  })
  if (query.error) return <ErrorBox error={query.error} retry={() => void query.refetch()} />
  if (!query.data) {
    return (
      <>
        <Text c="dimmed" p="md">
          {t('exploring')}
        </Text>
        <Loading rows={4} />
      </>
    )
  }
  return <Report review={query.data} />
}

/** Report shows a review: whether it is sound, what was looked at, what was found. */
export function Report({ review: found }: { review: Schemas['SagaReview'] }) {
  const t = useWords(words)
  const { explored } = found
  return (
    <div className={classes['report']}>
      <Text c="dimmed">{t('explore')}</Text>
      <Facts
        facts={[
          [
            t('tabExplored'),
            <Mark key="s" tone={found.sound ? 'good' : 'bad'} text={t(found.sound ? 'sound' : 'unsound')} />,
          ],
          [t('states'), explored && count(explored.states ?? 0)],
          [t('paths'), explored && count(explored.paths ?? 0)],
        ]}
      />
      {explored ? (
        <Text>
          {explored.exhaustive ? t('exhaustive') : t('notExhaustive', { part: lookedAt(explored.part ?? '–') })}{' '}
          {explored.failures?.length ? '' : t(explored.exhaustive ? 'soundText' : 'soundPart')}
        </Text>
      ) : (
        <Text>{t('noReport')}</Text>
      )}
      {!!explored?.failures?.length && (
        <section>
          <Title order={3}>{t('badEnds')}</Title>
          {explored.failures.map((failure, i) => (
            <div key={i} className={classes['failure']}>
              <Mark tone="bad" text={failure.step ?? '–'} /> {failure.text}
              <ol className={classes['path']}>
                {failure.timeline?.map((line, n) => (
                  <li key={n}>{line}</li>
                ))}
              </ol>
            </div>
          ))}
        </section>
      )}
      <section>
        <Title order={3} mb={6}>
          {t('findings')}
        </Title>
        <Findings findings={found.findings} />
      </section>
    </div>
  )
}
