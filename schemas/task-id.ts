/** What a task id may be: a Kafka key, a URL and a file name can hold it, and no slash makes it a part of another key. */
export const taskIdPattern = /^[A-Za-z0-9._:-]{1,128}$/
